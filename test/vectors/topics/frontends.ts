/** Ways to a Service other than its ClusterIP, who is seen as the node, and who stays with a backend. */
import { B4, IF, NODE4, OUTSIDE4, REMOTE4 } from '../../support/engine.js';
import { A4 } from '../../support/engine.js';
import { packet } from '../../support/frames.js';
import { expectSame, frameRig } from '../frames.js';
import type { FrameRig, Topic } from '../frames.js';

const BALANCER = '203.0.113.7';
const EXTERNAL = '203.0.113.99';
const NODE_PORT = 30080;

const MANIFESTS = `
apiVersion: v1
kind: Service
metadata: { namespace: default, name: web }
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.10
  externalIPs: [${EXTERNAL}]
  ports: [{ name: http, port: 80, protocol: TCP, nodePort: ${String(NODE_PORT)} }]
status: { loadBalancer: { ingress: [{ ip: ${BALANCER} }] } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints: [{ addresses: [${B4}], conditions: { ready: true }, nodeName: node-a }]
---
apiVersion: v1
kind: Service
metadata: { namespace: default, name: local }
spec:
  type: NodePort
  clusterIP: 10.96.0.11
  externalTrafficPolicy: Local
  ports: [{ name: http, port: 80, protocol: TCP, nodePort: 30081 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: local-1, labels: { kubernetes.io/service-name: local } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints: [{ addresses: [${REMOTE4}], conditions: { ready: true }, nodeName: node-b }]
---
apiVersion: v1
kind: Service
metadata: { namespace: default, name: fenced }
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.12
  loadBalancerSourceRanges: [192.0.2.0/24]
  ports: [{ name: http, port: 80, protocol: TCP }]
status: { loadBalancer: { ingress: [{ ip: 203.0.113.8 }] } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: fenced-1, labels: { kubernetes.io/service-name: fenced } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints: [{ addresses: [${B4}], conditions: { ready: true }, nodeName: node-a }]
---
apiVersion: v1
kind: Service
metadata: { namespace: default, name: sticky }
spec:
  clusterIP: 10.96.0.13
  sessionAffinity: ClientIP
  sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } }
  ports: [{ name: http, port: 80, protocol: TCP }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { namespace: default, name: sticky-1, labels: { kubernetes.io/service-name: sticky } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints:
  - { addresses: [${B4}], conditions: { ready: true }, nodeName: node-a }
  - { addresses: [${REMOTE4}], conditions: { ready: true }, nodeName: node-b }
  - { addresses: [10.244.2.8], conditions: { ready: true }, nodeName: node-b }
`;

const SYN = { proto: 'tcp', flags: 'S' } as const;

function ways(rig: FrameRig): void {
  const waysIn: readonly (readonly [string, string, number])[] = [
    ['node-port', NODE4, NODE_PORT],
    ['load-balancer', BALANCER, 80],
    ['external-ip', EXTERNAL, 80],
  ];
  for (const [i, [name, dst, dport]] of waysIn.entries()) {
    const sport = 50000 + i;
    const about = `from outside by ${dst}:${String(dport)}: to the pod, as the node, and back`;
    rig.add(name, about, () => {
      const frame = packet({ ...SYN, src: OUTSIDE4, dst, sport, dport });
      const { seen } = rig.send(IF.UPLINK, frame, {
        ...{ action: 'POD', out: IF.POD_B },
        seen: { src: NODE4, dst: B4, dport: 8080, isSound: true },
      });
      const back = {
        src: B4,
        dst: NODE4,
        sport: 8080,
        dport: seen.sport ?? 0,
        flags: 'SA',
      } as const;
      rig.send(IF.POD_B, packet({ ...SYN, ...back }), {
        seen: { src: dst, dst: OUTSIDE4, sport: dport, dport: sport, isSound: true },
      });
    });
  }
}

export const frontends: Topic = {
  name: 'frontends',
  record: () => {
    const rig = frameRig(MANIFESTS);
    ways(rig);
    rig.add('local-without-backend', 'policy Local, and the pod is elsewhere: silence', () => {
      const spec = { ...SYN, src: OUTSIDE4, dst: NODE4, sport: 50010, dport: 30081 };
      rig.send(IF.UPLINK, packet(spec), { drop: 'NO_LOCAL_BACKEND' });
    });
    rig.add('source-in-range', 'a client within loadBalancerSourceRanges gets through', () => {
      const spec = { ...SYN, src: '192.0.2.9', dst: '203.0.113.8', sport: 50011, dport: 80 };
      rig.send(IF.UPLINK, packet(spec), { seen: { dst: B4, dport: 8080 } });
    });
    rig.add('source-not-in-range', 'and one outside of it does not', () => {
      const spec = { ...SYN, src: OUTSIDE4, dst: '203.0.113.8', sport: 50012, dport: 80 };
      rig.send(IF.UPLINK, packet(spec), { drop: 'SOURCE_NOT_IN_RANGE' });
    });
    let chosen: string | undefined;
    for (let i = 0; i < 6; i++) {
      rig.add(
        `affinity-${String(i + 1)}`,
        'every connection of a client has the same backend',
        () => {
          const spec = { ...SYN, src: A4, dst: '10.96.0.13', sport: 50020 + i, dport: 80 };
          const { seen } = rig.send(IF.POD_A, packet(spec), {
            seen: { dport: 8080, isSound: true },
          });
          chosen ??= seen.dst;
          expectSame('backend', seen.dst, chosen);
        },
      );
    }
    return rig.rec.file(
      'frontends',
      'processFrame: node ports, load-balancer and external addresses, traffic policy Local, source ranges, session affinity',
    );
  },
};
