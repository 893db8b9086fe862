/**
 * What a node serves that was given no Corefile: kubeadm's, without the ports for probes that an agent
 * has of its own.
 */
export const NODE_COREFILE = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . /etc/resolv.conf {
        max_concurrent 1000
    }
    cache 30
    loadbalance
}
`;
