"""All workers fit on the machines at the same time; a cluster without the resources is refused."""

import pytest

from semanticmac.preprocess.cluster.placement import ClusterError, Node, placements

SHAPES = [
    [Node("a", "a", 1.0, 0)],
    [Node("a", "a", 2.0, 0)],
    [Node("a", "a", 0.5, 0), Node("b", "b", 64.0, 0)],
    [Node("head", "head", 0.0, 0), Node("a", "a", 8.0, 4), Node("b", "b", 3.0, 0)],
]


@pytest.mark.parametrize("nodes", SHAPES)
@pytest.mark.parametrize("workers", [None, 1, 2, 5, 100])
@pytest.mark.parametrize("device", [None, "auto", "cpu"])
def test_all_placements_fit_on_their_machines_at_once(nodes, workers, device):
    decoders, encoders = placements(nodes, workers, device)
    for node in nodes:
        here = [
            placement for placement in (*decoders, *encoders) if placement.node_id == node.node_id
        ]
        assert (
            sum(round(10_000 * placement.cpus) for placement in here) <= 10_000 * node.cpus
        )  # as Ray counts
        assert sum(placement.gpus for placement in here) <= node.gpus
        assert all(0 < placement.cpus <= 1 for placement in here)
    assert len(decoders) == (workers or sum(max(1, int(node.cpus)) for node in nodes if node.cpus))
    gpus = sum(node.gpus for node in nodes)
    expected = gpus if gpus and device == "auto" else sum(node.cpus > 0 for node in nodes)
    assert len(encoders) == (0 if device is None else expected)


def test_few_workers_are_spread_and_many_follow_the_cpus():
    nodes = [Node("a", "a", 2.0, 0), Node("b", "b", 6.0, 0)]
    assert [placement.node_id for placement in placements(nodes, 2, None)[0]] == ["a", "b"]
    assert [placement.node_id for placement in placements(nodes, 16, None)[0]].count("b") == 12


def test_a_cluster_without_what_is_asked_for_is_refused():
    with pytest.raises(ClusterError, match="offers a CPU"):
        placements([Node("head", "head", 0.0, 0)], None, "auto")
    with pytest.raises(
        ClusterError, match=r"--device cuda: no machine .* offers a GPU \(a: 2 CPUs and 0 GPUs\)"
    ):
        placements([Node("a", "a", 2.0, 0)], None, "cuda")
