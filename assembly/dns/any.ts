/** The answer to ANY: one record that says that nobody lists all of them (RFC 8482 4.2). */
import { COUNT_ANSWER, POINTER_QNAME_BE, TYPE_HINFO } from '../wire/dns';
import { be16, be32 } from '../mem/be';
import { Reply, setTruncated } from './reply';
import { RR_HLEN, headOf, putHead } from './rrset';

/** TTL, CPU "ANY" and OS "obsoleted", as CoreDNS's plugin `any` has them. */
const TTL: u32 = 8482;
const CPU: u32 = 0x594e4103; // 3 A N Y
const OS_LENGTH: u8 = 9;
const OS_HEAD: u64 = 0x6574656c6f73626f; // o b s o l e t e
const OS_LAST: u8 = 0x64; // d
const RDLENGTH: u32 = 14;

/** Append it to Answer. */
export function putHinfo(r: Reply): void {
  if (!r.fits(RR_HLEN + RDLENGTH)) {
    setTruncated(r);
    return;
  }
  const rr = r.ptr;
  putHead(rr, headOf(POINTER_QNAME_BE, TYPE_HINFO), be32(TTL));
  store<u16>(rr, be16(<u16>RDLENGTH), 10);
  store<u32>(rr, CPU, 12);
  store<u8>(rr, OS_LENGTH, 16);
  store<u64>(rr, OS_HEAD, 17);
  store<u8>(rr, OS_LAST, 25);
  r.at += RR_HLEN + RDLENGTH;
  r.counts += COUNT_ANSWER;
}
