/**
 * The C twin of `core/dns/answer`: strict parse, folding and hashing in one pass, the longest cut,
 * one look-up of the name, the reply written over the query, counters. It asks all that the module
 * asks of a message, a cut and a set; where a question of the bench never leads, it gives up.
 *
 *   dns KIND QUERIES REPEATS NAMES SLOTS
 *
 * KIND is 0 = A, 1 = NXDOMAIN, 2 = SRV, 3 = A where there are no SRV records, 4 = A, parsed only.
 * SLOTS is a power of two.
 */
#include "twin.h"

enum {
  NAMESPACES = 50,
  STEP = 7919,
  STRIDE = 128,
  ENTRY_BYTES = 384,
  ROOM = 2048,
  SPACE = 32,
  HLEN = 12,
  TYPE_A = 1,
  TYPE_SRV = 33,
  TTL = 5
};

typedef struct {
  uint32_t state, hash, entry;
  uint16_t space;
  uint8_t length, zero;
} Row;

typedef struct {
  uint8_t head[8], name[272], start[128];
  uint32_t hash, length, labels;
} Folded;

/** What is known of the query at hand: the module has the same at DNS_BASE. */
typedef struct {
  uint16_t type, class, question_end, edns_size, flags, rcode, listener, zone_off, zone_labels,
      length;
  uint32_t why;
  const uint8_t *cut;
  uint8_t version, has_opt, trailing;
} Query;

enum { RD = 1, CD = 2, AD = 4, DO = 8, TCP = 16, IPV6 = 32, UNCOUNTED = 64 };
enum { HOST = 1, RA = 4, SHUFFLE = 8, MINIMAL = 16, ANY = 32, REFUSE = 128, CHAOS = 256 };

static uint32_t kind, queries, repeats, names, used = 8;
static uint8_t *templates, *arena, *room;
static Row *rows;
/** Of a table whose size, SLOTS, is known when it is made. */
static uint32_t slot_mask;
static uint64_t depths[2], counters[128];
static uint32_t hash_key[12];
static Folded folded;
static Query query;
static volatile uint32_t traced;
/** The sample of queries: how many are left until the next, and every how many there is one. */
static volatile uint32_t log_left, log_every;

static inline uint64_t load64(const void *p) {
  uint64_t w;
  memcpy(&w, p, 8);
  return w;
}
static inline uint32_t load32(const void *p) {
  uint32_t w;
  memcpy(&w, p, 4);
  return w;
}
static inline uint16_t load16(const void *p) {
  uint16_t w;
  memcpy(&w, p, 2);
  return w;
}
static inline uint16_t be16at(const void *p) { return __builtin_bswap16(load16(p)); }
static inline void put16(void *p, uint16_t v) { memcpy(p, &v, 2); }
static inline void put32(void *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void be16put(void *p, uint16_t v) { put16(p, __builtin_bswap16(v)); }

static inline uint64_t lower(uint64_t w) {
  const uint64_t ones = 0x0101010101010101u, highs = ones * 0x80;
  uint64_t octets = w & ~highs;
  uint64_t letters =
      ((octets + ones * (0x80 - 'A')) ^ (octets + ones * (0x80 - 'Z' - 1))) & ~w & highs;
  return w | letters >> 2;
}

static inline uint64_t hash_step(uint64_t h, uint64_t word) {
  uint64_t x = h ^ word;
  uint64_t nh =
      (uint64_t)((uint32_t)x + hash_key[0]) * (uint64_t)((uint32_t)(x >> 32) + hash_key[1]);
  return nh + (x << 29 | x >> 35);
}

static inline uint32_t hash_finish(uint64_t sum) {
  uint64_t h = (sum ^ sum >> 32) * 0x9e3779b97f4a7c15u;
  return (uint32_t)((h ^ h >> 29) >> 16);
}

static inline uint64_t hash_seed(void) { return (uint64_t)hash_key[3] << 32 | hash_key[2]; }

/** Hash of a name that is filled up with zeros. */
static uint32_t hash_name(const uint8_t *name, uint32_t length) {
  uint64_t h = hash_seed();
  for (uint32_t i = 0; i < length; i += 8) h = hash_step(h, load64(name + i));
  return hash_finish(h);
}

/** Labels of a name. Returns its octets, 0 = it is none. */
static uint32_t read_labels(Folded *f, const uint8_t *src, uint32_t avail) {
  uint32_t limit = avail < 255 ? avail : 255, at = 0;
  for (uint32_t labels = 0; at < limit; labels++) {
    uint8_t n = src[at];
    f->start[labels] = (uint8_t)at;
    if (n - 1u >= 63) {
      if (n) return 0;
      f->labels = labels;
      return f->length = at + 1;
    }
    at += n + 1u;
  }
  return 0;
}

static void fold(Folded *f, const uint8_t *src) {
  uint32_t tail = f->length & 7, words = f->length - tail;
  uint64_t h = hash_seed(), last = 0;
  for (uint32_t i = 0; i < words; i += 8) {
    uint64_t w = lower(load64(src + i));
    memcpy(f->name + i, &w, 8);
    h = hash_step(h, w);
  }
  if (tail) {
    last = lower(load64(src + f->length - 8) >> (8 - tail) * 8);
    h = hash_step(h, last);
  }
  memcpy(f->name + words, &last, 8);
  memset(f->name + words + 8, 0, 8);
  f->hash = hash_finish(h);
}

/** Whether the name of an entry is `name`, both filled up with zeros. */
static inline int is_named(const uint8_t *entry, const uint8_t *name, uint32_t length) {
  if ((load64(entry) ^ load64(name - 4)) >> 32) return 0;
  for (uint32_t i = 8; i < length + 4; i += 8)
    if (load64(entry + i) != load64(name - 4 + i)) return 0;
  return 1;
}

static const uint8_t *value_of(const uint8_t *entry, uint32_t length) {
  return entry + ((4 + length + 7) & ~7u);
}

/** The value of a name, NULL = there is none. */
static const uint8_t *find(uint32_t space, uint32_t hash, const uint8_t *name, uint32_t length) {
  for (uint32_t i = 0, slot = hash + space * 0x9e3779b1u; i < 128; i++, slot++) {
    const Row *row = &rows[slot & slot_mask];
    if (row->state == 0) return NULL;
    if (row->state != 1 || row->hash != hash || row->space != space || row->length != length)
      continue;
    if (is_named(arena + row->entry, name, length)) return value_of(arena + row->entry, length);
  }
  return NULL;
}

/** A place for the value of a new name. */
static uint8_t *put(uint32_t space, const uint8_t *name, uint32_t length, uint32_t bytes) {
  read_labels(&folded, name, length);
  fold(&folded, name);
  uint32_t hash = folded.hash, slot = hash + space * 0x9e3779b1u;
  while (rows[slot & slot_mask].state) slot++;
  uint8_t *entry = arena + used;
  rows[slot & slot_mask] = (Row){1, hash, used, (uint16_t)space, (uint8_t)length, 0};
  if (space < 32) depths[folded.labels >> 6] |= 1ull << (folded.labels & 63);
  memcpy(entry + 4, name, length);
  uint8_t *value = entry + ((4 + length + 7) & ~7u);
  used += ((uint32_t)(value - entry) + bytes + 15) & ~7u;
  return value;
}

typedef struct {
  uint8_t *msg;
  uint32_t at, limit, an, ns, ar;
} Reply;

static inline void copy(uint8_t *to, const uint8_t *from, uint32_t n) {
  uint32_t tail = n & 7, words = n - tail;
  for (uint32_t i = 0; i < words; i += 8) {
    uint64_t w = load64(from + i);
    memcpy(to + i, &w, 8);
  }
  if (!tail) return;
  if (words) {
    uint64_t w = load64(from + n - 8);
    memcpy(to + n - 8, &w, 8);
    return;
  }
  for (uint32_t i = 0; i < n; i++) to[i] = from[i];
}

static inline void put_head(uint8_t *rr, uint16_t owner, uint32_t type, uint32_t ttl) {
  put32(rr, (uint32_t)__builtin_bswap16((uint16_t)type) << 16 | owner);
  put16(rr + 4, 0x0100);
  put32(rr + 6, ttl);
}

/** RDLENGTH and RDATA, in whole words where there is room behind them. */
static inline void put_rdata(Reply *r, uint32_t to, const uint8_t *from, uint32_t n) {
  if (to + n + 7 > r->limit) {
    copy(r->msg + to, from, n);
    return;
  }
  for (uint32_t i = 0; i < n; i += 8) {
    uint64_t w = load64(from + i);
    memcpy(r->msg + to + i, &w, 8);
  }
}

/** Returns 0 for a set that is shuffled. */
static int put_set(Reply *r, const uint8_t *set, uint32_t flags) {
  uint32_t type = load16(set), count = load16(set + 2), ttl = load32(set + 4);
  uint32_t bytes = load32(set + 8), glue_bytes = load32(set + 12), answers = r->at;
  const uint8_t *from = set + 16;
  if ((type == TYPE_A || type == 28) && flags & SHUFFLE && count > 1) return 0;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t n = 2u + be16at(from);
    if (r->at + 10 + n > r->limit) return 0;
    put_head(r->msg + r->at, 0x0cc0, type, ttl);
    put_rdata(r, r->at + 10, from, n);
    r->at += 10 + n;
    r->an++;
    from += n;
  }
  if (flags & MINIMAL) return 1;
  const uint8_t *glue = set + 16 + bytes, *end = glue + glue_bytes;
  uint32_t record = 0, rdata = answers + 12;
  while (glue < end) {
    for (; record < load16(glue); record++) rdata += be16at(r->msg + rdata - 2) + 12u;
    uint32_t name = rdata + load16(glue + 2), n = 2u + be16at(glue + 6);
    if (name > 0x3fff || r->at + 10 + n > r->limit) return 1;
    put_head(r->msg + r->at, __builtin_bswap16((uint16_t)(0xc000 | name)), load16(glue + 4), ttl);
    put_rdata(r, r->at + 10, glue + 6, n);
    r->at += 10 + n;
    r->ar++;
    glue += 6 + n;
  }
  return 1;
}

/** Whole words: something follows. */
static inline void put_words(uint8_t *to, const uint8_t *from, uint32_t n) {
  for (uint32_t i = 0; i < n; i += 8) {
    uint64_t w = load64(from + i);
    memcpy(to + i, &w, 8);
  }
}

static void put_soa(Reply *r, const uint8_t *cut, uint32_t zone_off) {
  uint32_t m = cut[11], n = cut[12], rdlength = m + 2 + n + 2 + 20;
  if (r->at + 12 + rdlength > r->limit) return;
  uint8_t *at = r->msg + r->at;
  uint16_t zone = __builtin_bswap16((uint16_t)(0xc000 | zone_off));
  put_head(at, zone, 6, load32(cut + 4));
  be16put(at + 10, (uint16_t)rdlength);
  put_words(at + 12, cut + 36, m);
  put16(at + 12 + m, zone);
  put_words(at + 14 + m, cut + 36 + m, n);
  put16(at + 14 + m + n, zone);
  copy(at + 16 + m + n, cut + 16, 20);
  r->at += 12 + rdlength;
  r->ns++;
}

static uint32_t size_slot(uint32_t n) {
  static const uint32_t bounds[] = {100,  200,  300,   400,   511,   1023, 2047,
                                    4095, 8291, 16000, 32000, 48000, 64000};
  uint32_t i = 0;
  while (i < 13 && n > bounds[i]) i++;
  return i;
}

static void count(const Query *q, uint32_t reply) {
  if (!reply || q->flags & UNCOUNTED || traced) return;
  uint64_t *zone = counters + 128 * (q->cut ? q->cut[10] : 0);
  uint32_t way = (q->flags & IPV6 ? 2 : 0) | (q->flags & TCP ? 1 : 0);
  zone[way | (q->type == TYPE_A ? 4 : q->type == TYPE_SRV ? 36 : 0)]++;
  zone[93] += q->length;
  zone[96 + size_slot(q->length)]++;
  if (q->flags & DO) zone[92]++;
  if (q->trailing) zone[124]++;
  zone[76 + (q->rcode < 15 ? q->rcode : 15)]++;
  zone[94] += reply;
  zone[110 + size_slot(reply)]++;
}

/** Count down to the query that is sampled. None is here: that would be one in 64 of them. */
static void sample(const Query *q, uint32_t reply) {
  if (!reply || q->flags & UNCOUNTED) return;
  if (log_left > 1) {
    log_left = log_left - 1;
    return;
  }
  if (log_every == 0 || traced) return;
  log_left = log_every;
}

static const uint8_t *find_type(const uint8_t *value, uint32_t type) {
  const uint8_t *set = value + 4;
  for (uint32_t sets = load16(value); sets; sets--) {
    if (load16(set) == type) return set;
    set += (16 + load32(set + 8) + load32(set + 12) + 3) & ~3u;
  }
  return NULL;
}

/** A record of Additional. Returns the offset behind it, 0 = it is not sound. */
static uint32_t read_record(Query *q, const uint8_t *msg, uint32_t at, uint32_t len) {
  if (len - at < 11 || msg[at]) return 0;
  const uint8_t *rr = msg + at + 1;
  uint32_t n = be16at(rr + 8);
  if (len - at - 11 < n || be16at(rr) != 41 || q->has_opt) return 0;
  for (uint32_t i = 0; i < n; i += 4u + be16at(rr + 12 + i))
    if (n - i < 4) return 0;
  q->has_opt = 1;
  q->edns_size = be16at(rr + 2);
  q->version = rr[5];
  if (rr[6] & 0x80) q->flags |= DO;
  return at + 11 + n;
}

/** Returns whether the message is a query. */
static int parse(Query *q, const uint8_t *msg, uint32_t len) {
  if (len < HLEN || msg[2] & 0x80) return 0;
  uint32_t flags = msg[2] & 1 ? RD : 0, additional = be16at(msg + 10);
  if (msg[2] & 0x78) return 0;
  if (msg[3] & 0x10) flags |= CD;
  if (msg[3] & 0x20) flags |= AD;
  q->flags |= (uint16_t)flags;
  if (load32(msg + 4) != 0x0100 || load16(msg + 8) || additional > 2) return 0;
  uint32_t length = read_labels(&folded, msg + HLEN, len - HLEN), at = HLEN + length;
  if (!length || len - at < 4) return 0;
  q->type = be16at(msg + at);
  q->class = be16at(msg + at + 2);
  at += 4;
  q->question_end = (uint16_t)at;
  for (uint32_t i = 0; i < additional; i++)
    if (!(at = read_record(q, msg, at, len))) return 0;
  q->trailing = at != len;
  fold(&folded, msg + HLEN);
  return 1;
}

/** The deepest cut of at most `top` more labels than `first`. */
static const uint8_t *find_cut(Query *q, uint64_t mask, uint32_t first, uint32_t top) {
  for (mask = mask << (63 - top) >> (63 - top); mask;) {
    uint32_t bit = 63u - (uint32_t)__builtin_clzll(mask), depth = first + bit;
    mask ^= 1ull << bit;
    uint32_t from = folded.start[folded.labels - depth], n = folded.length - from;
    const uint8_t *cut = find(q->listener, hash_name(folded.name + from, n), folded.name + from, n);
    if (!cut) continue;
    q->zone_off = (uint16_t)(HLEN + from);
    q->zone_labels = (uint16_t)depth;
    return q->cut = cut;
  }
  return NULL;
}

static uint32_t size_limit(const Query *q) {
  if (q->flags & TCP) return 0xffff;
  if (!q->has_opt) return 512;
  uint32_t most = load16(q->cut + 8) ? load16(q->cut + 8) : 1232;
  most = q->edns_size < most ? q->edns_size : most;
  return most < 512 ? 512 : most;
}

/** From the names of a cut's zone. */
static uint32_t zone_reply(Query *q, uint8_t *msg, uint32_t room_len, uint32_t flags) {
  q->why = 4;
  if (q->type == 255 && flags & ANY) return 0;
  uint32_t space = load16(q->cut), rcode = 0, limit = size_limit(q);
  const uint8_t *value = find(space, folded.hash, folded.name, folded.length);
  if (!value && folded.labels) {
    uint32_t from = folded.name[0] + 1u, n = folded.length - from;
    if (find(space, hash_name(folded.name + from, n), folded.name + from, n)) return 0;
    if (flags & (2 | 64)) return 0;
    rcode = 3;
  }
  limit = (limit < room_len ? limit : room_len) - (q->has_opt ? 11 : 0);
  Reply r = {msg, q->question_end, limit, 0, 0, 0};
  const uint8_t *set = value ? find_type(value, q->type) : NULL;
  if (!set)
    put_soa(&r, q->cut, q->zone_off);
  else if (!put_set(&r, set, flags))
    return 0;
  if (q->has_opt) return 0;
  q->rcode = (uint16_t)rcode;
  msg[2] = 0x84 | (q->flags & RD ? 1 : 0);
  msg[3] = (uint8_t)((q->flags & CD ? 0x10 : 0) | (flags & RA ? 0x80 : 0) | rcode);
  be16put(msg + 4, 1);
  be16put(msg + 6, (uint16_t)r.an);
  be16put(msg + 8, (uint16_t)r.ns);
  be16put(msg + 10, (uint16_t)r.ar);
  return r.at;
}

static uint32_t respond(Query *q, uint8_t *msg, uint32_t len, uint32_t room_len) {
  if (!parse(q, msg, len) || q->type == 41) return 0;
  if (q->listener - 1u >= 31) return 0;
  uint32_t labels = folded.labels;
  if (q->type == 43) return 0;
  const uint8_t *cut = NULL;
  if (labels >= 64) cut = find_cut(q, depths[1], 64, labels - 64);
  if (!cut) cut = find_cut(q, depths[0], 0, labels < 63 ? labels : 63);
  uint32_t flags = cut ? load16(cut + 2) : REFUSE;
  if (q->class != 1 && !(q->class == 3 && flags & CHAOS)) return 0;
  if (q->version || q->type == 251 || q->type == 252 || flags & (REFUSE | HOST)) return 0;
  return load16(cut) ? zone_reply(q, msg, room_len, flags) : 0;
}

/** Returns bytes of the reply, 0 = none is made here. Not inlined: it is a function of a library.
 */
static __attribute__((noinline)) uint32_t answer(uint32_t listener, uint8_t *msg, uint32_t len,
                                                 uint32_t room_len, uint32_t flags) {
  query = (Query){.listener = (uint16_t)listener,
                  .length = (uint16_t)(len < 0xffff ? len : 0xffff),
                  .flags = flags & (TCP | IPV6 | UNCOUNTED)};
  uint32_t reply = respond(&query, msg, len, room_len);
  count(&query, reply);
  sample(&query, reply);
  return reply;
}

/** A dotted name as on the wire. Returns its octets. */
static uint32_t wire(uint8_t *out, const char *text) {
  uint32_t at = 0;
  while (*text) {
    uint32_t n = (uint32_t)strcspn(text, ".");
    out[at] = (uint8_t)n;
    memcpy(out + at + 1, text, n);
    at += n + 1;
    text += n + (text[n] == '.');
  }
  out[at] = 0;
  return at + 1;
}

static void put_set_head(uint8_t *set, uint16_t type, uint32_t bytes, uint32_t glue) {
  put16(set, type);
  put16(set + 2, 1);
  put32(set + 4, __builtin_bswap32(TTL));
  put32(set + 8, bytes);
  put32(set + 12, glue);
}

static void put_cut(const char *zone) {
  static const uint8_t labels[] = "\2ns\3dns\12hostmaster";
  static const uint32_t soa[] = {1795384144, 7200, 1800, 86400, 5};
  uint8_t name[256];
  uint8_t *cut = put(1, name, wire(name, zone), 36 + 18);
  put16(cut, SPACE);
  put32(cut + 4, __builtin_bswap32(TTL));
  cut[11] = 7;
  cut[12] = 11;
  for (int i = 0; i < 5; i++) put32(cut + 16 + 4 * i, __builtin_bswap32(soa[i]));
  memcpy(cut + 36, labels, 18);
}

static void put_service(uint32_t i) {
  char text[128];
  uint8_t name[256], target[256],
      address[6] = {0, 4, 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
  snprintf(text, sizeof text, "svc%u.ns%u.svc.cluster.local", i, i % NAMESPACES);
  uint32_t n = wire(target, text);
  uint8_t *value = put(SPACE, target, n, 4 + 16 + 8);
  put16(value, 1);
  put_set_head(value + 4, TYPE_A, 6, 0);
  memcpy(value + 20, address, 6);
  if (kind >= 3) return;
  snprintf(text, sizeof text, "_http._tcp.svc%u.ns%u.svc.cluster.local", i, i % NAMESPACES);
  value = put(SPACE, name, wire(name, text), 4 + 16 + 8 + n + 12);
  put16(value, 1);
  put_set_head(value + 4, TYPE_SRV, 8 + n, 12);
  uint8_t *record = value + 20;
  be16put(record, (uint16_t)(6 + n));
  be16put(record + 4, 100);
  be16put(record + 6, 80);
  memcpy(record + 8, target, n);
  uint8_t *glue = record + 8 + n;
  put16(glue + 2, 6);
  put16(glue + 4, TYPE_A);
  memcpy(glue + 6, address, 6);
}

static void write_query(uint32_t i) {
  static const char *const forms[] = {
      "svc%u.ns%u.svc.cluster.local", "svc%u.ns%u.svc.ns1.svc.cluster.local",
      "_http._tcp.svc%u.ns%u.svc.cluster.local", "svc%u.ns%u.svc.cluster.local",
      "svc%u.ns%u.svc.cluster.local"};
  uint32_t service = i * STEP % names;
  char text[128];
  uint8_t *template = templates + (size_t)i * STRIDE, *msg = template + 4;
  snprintf(text, sizeof text, forms[kind], service, service % NAMESPACES);
  be16put(msg, (uint16_t)i);
  be16put(msg + 2, 0x0100);
  be16put(msg + 4, 1);
  uint32_t n = wire(msg + HLEN, text);
  be16put(msg + HLEN + n, kind == 2 ? TYPE_SRV : TYPE_A);
  be16put(msg + HLEN + n + 2, 1);
  put32(template, HLEN + n + 4);
}

static uint32_t parse_all(void) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < queries; i++) {
    const uint8_t *template = templates + (size_t)i * STRIDE;
    uint32_t length = load32(template);
    query = (Query){.listener = 1, .length = (uint16_t)length};
    if (parse(&query, template + 4, length)) sum += query.type + query.question_end;
  }
  return sum;
}

static uint32_t answer_all(void) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < queries; i++) {
    const uint8_t *template = templates + (size_t)i * STRIDE;
    uint32_t length = load32(template);
    copy(room, template + 4, length);
    uint32_t reply = answer(1, room, length, ROOM, 0);
    sum += reply ^ load32(room + reply - 4);
  }
  return sum;
}

static Sample run(void) {
  uint32_t sum = 0;
  uint64_t begin = twin_now_ns();
  for (uint32_t r = 0; r < repeats; r++) sum = kind == 4 ? parse_all() : answer_all();
  Sample s = {(double)(twin_now_ns() - begin) / repeats / queries, sum};
  return s;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  kind = (uint32_t)atoi(argv[1]);
  queries = (uint32_t)atoi(argv[2]);
  repeats = (uint32_t)atoi(argv[3]);
  names = (uint32_t)atoi(argv[4]);
  slot_mask = (uint32_t)atoi(argv[5]) - 1;
  for (uint32_t i = 0; i < 12; i++) hash_key[i] = 0x9e3779b9u * (i + 1);
  templates = twin_pages((size_t)queries * STRIDE);
  arena = twin_pages(4096 + (size_t)names * ENTRY_BYTES);
  rows = twin_pages(((size_t)slot_mask + 1) * sizeof *rows);
  room = twin_pages(4096);
  put_cut("cluster.local");
  put_cut("in-addr.arpa");
  for (uint32_t i = 0; i < names; i++) put_service(i);
  for (uint32_t i = 0; i < queries; i++) write_query(i);
  return twin_serve(twin_digest(templates, (size_t)queries * STRIDE), run);
}
