/** Whoever answers from names: the lane, and each thread of the DNS server. */
export interface NameSink {
  /**
   * Apply NAMES_* records (assembly/abi-dns.ts), in the order of the calls.
   *
   * @param records  the sink's own copy
   * @returns        the same records with their results
   */
  applyNames(records: Uint8Array): Promise<Uint8Array>;
}
