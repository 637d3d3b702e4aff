"""The bank under all faults: `pytest examples/bank`."""

import trio
from hypothesis import strategies as st

from callboard.testing import Crashed, Simulation, check, faults, operation, ops, plans, simulate

from .bank import Account, Transfer

OPENING = {"ann": 100, "bob": 100}
TRANSFERS = {
    "rent": ("ann", "bob", 60),
    "gift": ("bob", "ann", 30),
    "loan": ("bob", "ann", 120),  # which bob has only after the rent
    "yacht": ("ann", "bob", 1000),  # which nobody ever has
    "self": ("ann", "ann", 10),
}


@operation(name=st.sampled_from(sorted(TRANSFERS)))
async def transfer(sim: Simulation, name: str) -> None:
    """Somebody who tries until the transfer is told, and so may tell it twice."""
    source, target, amount = TRANSFERS[name]
    while True:
        try:
            await sim.spawn(Transfer(sim.ref(Account, source), sim.ref(Account, target)), name=name)
            await sim.ref(Transfer, name).tell(Transfer.move(amount))
        except Crashed:  # the outcome is unknown: tell it again
            await trio.sleep(1)
        else:
            return


def balances(sim: Simulation) -> dict[str, int]:
    """What is in the accounts."""
    return {name: account.balance for name, account in sim.named_states(Account).items()}


def expected(sim: Simulation) -> dict[str, int]:
    """What must be there when every transfer has come to its end: each that was moved, once."""
    found = dict(OPENING)
    for name, each in sim.named_states(Transfer).items():
        source, target, amount = TRANSFERS[name]
        assert each.state.startswith(("moved", "refused")), f"{name} is still {each.state}"
        if each.state.startswith("moved"):
            found[source] -= amount
            found[target] += amount
    return found


def nothing_from_nothing(sim: Simulation) -> None:
    """At every commit: nobody is in debt, and money is in an account or on its way, never in two places."""
    now = balances(sim).values()
    assert min(now) >= 0
    assert sum(now) <= sum(OPENING.values())


@simulate(plans(transfer, ops.wait, *faults.ALL), types=[Account, Transfer])
async def test_money_is_conserved_whatever_happens(sim: Simulation) -> None:
    for name, balance in OPENING.items():
        await sim.spawn(Account(name, balance=balance), name=name)
    sim.always(nothing_from_nothing)
    await sim.run_plan()
    await sim.converge()
    check.exactly_once(sim)
    check.conserved(sim, balances, expected(sim))
    check.conserved(sim, lambda sim: sum(balances(sim).values()), sum(OPENING.values()))
