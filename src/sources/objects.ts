/**
 * What Sluice uses of Kubernetes objects, as schemas: types, ranges, and the defaults the API
 * server would have filled in. Strict where it reads a structure as a whole, so that a misspelt
 * field is found; of the big ones (Pod, Node, metadata) only the parts it uses are looked at.
 */
import type { ServicePort, ServiceSpec } from 'kubernetes-types/core/v1.js';
import type { Endpoint, EndpointConditions, EndpointPort } from 'kubernetes-types/discovery/v1.js';
import { z } from 'zod';
import { canonicalAddress, canonicalCidr } from '../addr.js';
import type { Kind } from '../model/events.js';
import { NETNS_ANNOTATION } from '../model/pods.js';

const PORT_MAX = 65535;

const unused = z.unknown().optional();
const text = z.string();
const texts = z.array(text);

const portNumber = (least: number) => {
  const error = `expected a port number from ${least} to ${PORT_MAX}`;
  return z.int({ error }).min(least, { error }).max(PORT_MAX, { error });
};

const ip = text.refine((t) => canonicalAddress(t) !== undefined, {
  error: 'expected an IPv4 or IPv6 address',
});
const cidr = text.refine((t) => canonicalCidr(t) !== undefined, {
  error: 'expected a prefix such as 10.244.1.0/24',
});
const clusterIP = text.refine(
  (t) => t === '' || t === 'None' || canonicalAddress(t) !== undefined,
  {
    error: 'expected an IPv4 or IPv6 address, None, or nothing',
  },
);

const protocol = z.enum(['TCP', 'UDP', 'SCTP']).default('TCP');

const labels = z.record(text, text).optional();

const clusterMeta = z.object({
  name: text.min(1, { error: 'expected a name' }),
  labels,
  annotations: labels,
});
const namespacedMeta = clusterMeta.extend({ namespace: text.min(1).default('default') });

/** Fields that every object has. */
const head = { apiVersion: text, kind: text };

const servicePort = z.strictObject({
  appProtocol: unused,
  name: text.default(''),
  nodePort: portNumber(0).optional(),
  port: portNumber(1),
  protocol,
  targetPort: unused,
} satisfies Record<keyof ServicePort, z.ZodType>);

const policy = z.enum(['Cluster', 'Local']);

const affinityTimeout = z
  .int({ error: 'expected seconds from 1 to 86400' })
  .min(1, { error: 'expected seconds from 1 to 86400' })
  .max(86_400, { error: 'expected seconds from 1 to 86400' });
const sessionAffinityConfig = z.strictObject({
  clientIP: z.strictObject({ timeoutSeconds: affinityTimeout.optional() }).optional(),
});

const serviceSpec = z.strictObject({
  allocateLoadBalancerNodePorts: unused,
  clusterIP: clusterIP.optional(),
  clusterIPs: z.array(clusterIP).optional(),
  externalIPs: z.array(ip).optional(),
  externalName: text.optional(),
  externalTrafficPolicy: policy.optional(),
  healthCheckNodePort: portNumber(0).optional(),
  internalTrafficPolicy: policy.default('Cluster'),
  ipFamilies: z.array(z.enum(['IPv4', 'IPv6'])).optional(),
  ipFamilyPolicy: unused,
  loadBalancerClass: unused,
  loadBalancerIP: unused,
  loadBalancerSourceRanges: texts.optional(),
  ports: z.array(servicePort).optional(),
  publishNotReadyAddresses: unused,
  selector: unused,
  sessionAffinity: z.enum(['None', 'ClientIP']).optional(),
  sessionAffinityConfig: sessionAffinityConfig.optional(),
  trafficDistribution: unused,
  type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
} satisfies Record<keyof ServiceSpec, z.ZodType>);

const ingress = z.object({
  hostname: unused,
  ip: ip.optional(),
  ipMode: z.enum(['VIP', 'Proxy']).optional(),
});
const serviceStatus = z.object({
  loadBalancer: z.object({ ingress: z.array(ingress).optional() }).optional(),
});

/** The API server keeps `clusterIP` equal to the first of `clusterIPs`. */
const service = z.object({
  ...head,
  metadata: namespacedMeta,
  spec: serviceSpec.transform((spec) => ({
    ...spec,
    clusterIP: spec.clusterIP ?? spec.clusterIPs?.[0],
  })),
  status: serviceStatus.optional(),
});

const hint = z.array(z.object({ name: text }));

const endpoint = z.strictObject({
  addresses: texts.min(1, { error: 'expected at least one address' }),
  conditions: z
    .strictObject({
      ready: z.boolean().optional(),
      serving: z.boolean().optional(),
      terminating: z.boolean().optional(),
    } satisfies Record<keyof EndpointConditions, z.ZodType>)
    .optional(),
  deprecatedTopology: unused,
  hints: z.strictObject({ forZones: hint.optional(), forNodes: hint.optional() }).optional(),
  hostname: text.optional(),
  nodeName: text.optional(),
  targetRef: z.object({ name: text.optional() }).optional(),
  zone: text.optional(),
} satisfies Record<keyof Endpoint, z.ZodType>);

const endpointPort = z.strictObject({
  appProtocol: unused,
  name: text.default(''),
  port: portNumber(0).optional(),
  protocol,
} satisfies Record<keyof EndpointPort, z.ZodType>);

const endpointSlice = z
  .strictObject({
    ...head,
    metadata: namespacedMeta,
    addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
    endpoints: z.array(endpoint).default([]),
    ports: z.array(endpointPort).default([]),
  })
  .superRefine(({ addressType, endpoints }, context) => {
    if (addressType === 'FQDN') return;
    endpoints.forEach(({ addresses }, i) => {
      const at = addresses.findIndex(
        (a) => `IPv${canonicalAddress(a)?.family ?? 0}` !== addressType,
      );
      if (at < 0) return;
      const path = ['endpoints', i, 'addresses', at];
      context.addIssue({ code: 'custom', path, message: `expected an ${addressType} address` });
    });
  });

const node = z.object({
  ...head,
  metadata: clusterMeta,
  spec: z.object({ podCIDR: cidr.optional(), podCIDRs: z.array(cidr).optional() }).optional(),
  status: z
    .object({ addresses: z.array(z.object({ type: text, address: text })).optional() })
    .optional(),
});

const podMeta = namespacedMeta.extend({
  deletionTimestamp: text.optional(),
  annotations: z
    .object({
      [NETNS_ANNOTATION]: text
        .startsWith('/', { error: 'expected the absolute path of a network namespace' })
        .optional(),
    })
    .optional(),
});

const pod = z.object({
  ...head,
  metadata: podMeta,
  spec: z.object({ nodeName: text.optional(), hostNetwork: z.boolean().optional() }).optional(),
  status: z
    .object({
      phase: text.optional(),
      podIP: ip.optional(),
      podIPs: z.array(z.object({ ip: ip.optional() })).optional(),
    })
    .optional(),
});

const namespace = z.object({ ...head, metadata: clusterMeta });

export interface KindReader {
  /** API group; empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly schema: z.ZodType;
}

/** How each kind is read. */
export const KIND_READERS: Readonly<Record<Kind, KindReader>> = {
  Service: { group: '', version: 'v1', schema: service },
  EndpointSlice: { group: 'discovery.k8s.io', version: 'v1', schema: endpointSlice },
  Node: { group: '', version: 'v1', schema: node },
  Pod: { group: '', version: 'v1', schema: pod },
  Namespace: { group: '', version: 'v1', schema: namespace },
};
