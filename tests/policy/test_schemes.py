"""Every policy that can be asked for is one that there is."""

from typing import get_args, get_type_hints

from prefork.policy.ledger import Account
from prefork.policy.schemes import SCHEMES
from prefork.settings.schema import Settings


def test_the_table_holds_what_the_setting_offers() -> None:
    assert tuple(SCHEMES) == get_args(get_type_hints(Settings)["policy"])


def test_every_policy_deals_to_whoever_joined_and_not_to_whoever_left() -> None:
    for scheme in SCHEMES.values():
        policy = scheme.policy()
        for slot in range(2):
            policy.join(Account(id=10 + slot, slot=slot))
        policy.leave(10)
        assert len(policy) == 1
        dealt = policy.deal(["10.0.0.1", None], lambda _: None)
        assert [account.id for account in dealt] == [11, 11]
