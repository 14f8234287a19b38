"""A thousand random settings of every explorer, the second half: of these the memory is traced too."""


def test_random_states(explorer_type, sweep):
    sweep(explorer_type, states=500, seed=2, trace=True)
