/** The cluster of most of these tests: one Service. */
export const OBJECTS = `apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1]
  ports: [{ name: http, port: 80, protocol: TCP }]
`;
/** Its name. */
export const WEB = 'web.default.svc.cluster.local';
