"""{{name}}: accepts an amount that is at most the deployment's limit."""

from dataclasses import dataclass

from surety import Action, Advance, Call, Permanent, log


@dataclass
class Payload:
    amount: str


@dataclass
class Ext:
    """What earlier actions wrote, as far as this one reads it: nothing."""


@dataclass
class Settings:
    limit: str


class WitWorld(Action[Payload, Ext, Settings]):
    def decide(self, call: Call[Payload, Ext, Settings]) -> Advance:
        amount, limit = call.message.payload.amount, call.settings.limit
        if not (amount.isascii() and amount.isdigit()):
            raise Permanent(f"the amount {amount!r} is no number")
        if int(amount) > int(limit):
            return Advance("refused", note=f"{amount} is above {limit}")
        log.info(f"{amount} is within {limit}")
        return Advance(
            "accepted",
            patch={"checked": {"amount": amount, "limit": limit}},
            note=f"{amount} is within {limit}",
        )
