/**
 * What this node has attached, on disk: a record before anything is made, the whole of it when all
 * is made, none when nothing is left. After a crash the records that were never completed say what
 * has to be undone.
 *
 * Containers do not survive a reboot: records of another boot are void, whatever they say.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { ownerKey } from '../ipam/ipam.js';
import type { Owner } from '../ipam/ipam.js';
import { openJournal } from '../journal/journal.js';
import type { Log } from '../log.js';

const rate = z.strictObject({ rate: z.number(), burst: z.number() });

const schema = z.strictObject({
  network: z.string(),
  containerId: z.string(),
  ifname: z.string(),
  /** Addresses may be held and a link may be there, or not yet. */
  isPending: z.boolean(),
  /** Of the Pod object, when the runtime has said it. */
  pod: z
    .strictObject({ namespace: z.string(), name: z.string(), uid: z.string().optional() })
    .optional(),
  /** Path of the container's namespace. */
  netns: z.string(),
  /** `DEV:INO` of the namespace; records of older agents have none. */
  netnsId: z.string().optional(),
  /** Text, without lengths. */
  ips: z.array(z.string()),
  mac: z.string().optional(),
  mtu: z.number(),
  /** Beside the default; an address plugin has named them. */
  routes: z
    .array(
      z.strictObject({
        dst: z.string(),
        mtu: z.number().optional(),
        advmss: z.number().optional(),
        metric: z.number().optional(),
        table: z.number().optional(),
      }),
    )
    .optional(),
  hostPorts: z.array(
    z.strictObject({
      protocol: z.enum(['TCP', 'UDP', 'SCTP']),
      hostPort: z.number(),
      containerPort: z.number(),
      hostIP: z.string().optional(),
    }),
  ),
  /** Bits a second, and bits at once. */
  ingress: rate.optional(),
  egress: rate.optional(),
  /** The plugin that gave the addresses, and how to call it; left out: the agent itself. */
  delegate: z
    .strictObject({
      type: z.string(),
      /** CNI_PATH and CNI_ARGS. */
      path: z.string(),
      args: z.string(),
      /** Its standard input. */
      conf: z.record(z.string(), z.unknown()),
      /** The gateways it has said, by address; pods have ours instead. */
      gateways: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
  /** The runtime said the ranges, which need not be the node's. */
  hasOwnRanges: z.boolean().optional(),
  /** Wall clock, milliseconds. */
  sinceMs: z.number(),
});

/** One attachment, as far as it has come. */
export type StoredAttachment = Readonly<z.output<typeof schema>>;

export interface AttachmentStore {
  find(owner: Owner): StoredAttachment | undefined;
  all(): readonly StoredAttachment[];
  /** Durable when it resolves. */
  put(attachment: StoredAttachment): Promise<void>;
  /** Durable when it resolves. */
  remove(owner: Owner): Promise<void>;
  close(): Promise<void>;
}

const FILE = 'attachments.journal';
/** The entry that says which boot the others belong to: not a name an attachment can have. */
const BOOT = 'boot';

type Entry = StoredAttachment | { readonly bootId: string };

function readEntry(value: unknown): Entry | undefined {
  const parsed = z.union([schema, z.strictObject({ bootId: z.string() })]).safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

export interface OpenedStore {
  readonly store: AttachmentStore;
  /**
   * Of an earlier boot, as they were: their containers are gone. They are pending from now on, so
   * that what they held is given back, and a container may come back under its old name.
   */
  readonly voided: readonly StoredAttachment[];
}

/**
 * @param bootId  of this boot: /proc/sys/kernel/random/boot_id
 * @throws DataplaneError when another process has the store
 */
export async function openAttachmentStore(
  dataDir: string,
  bootId: string,
  log: Log,
): Promise<OpenedStore> {
  const journal = openJournal<Entry>(join(dataDir, FILE), {
    read: readEntry,
    report: (sentence) => {
      log.warn(sentence);
    },
  });
  const all = (): StoredAttachment[] =>
    [...journal.entries.values()].flatMap((entry) => ('bootId' in entry ? [] : [entry]));
  const boot = journal.entries.get(BOOT);
  const isSameBoot = boot !== undefined && 'bootId' in boot && boot.bootId === bootId;
  const voided = isSameBoot ? [] : all();
  // In this order: an agent that dies over it finds them void, or pending, and never as they were.
  const ofThisBoot = voided.map((record) =>
    journal.set(ownerKey(record), { ...record, isPending: true }),
  );
  if (!isSameBoot) ofThisBoot.push(journal.set(BOOT, { bootId }));
  await Promise.all(ofThisBoot);
  const store: AttachmentStore = {
    find: (owner) => {
      const entry = journal.entries.get(ownerKey(owner));
      return entry === undefined || 'bootId' in entry ? undefined : entry;
    },
    all,
    put: (attachment) => journal.set(ownerKey(attachment), attachment),
    remove: async (owner) => {
      if (journal.entries.has(ownerKey(owner))) await journal.delete(ownerKey(owner));
    },
    close: journal.close,
  };
  return { store, voided };
}
