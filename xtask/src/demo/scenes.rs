//! What the messages of the demo ask for, what the board does, and how each must end.

use serde_json::{Value, json};

/// One withdrawal.
pub(super) struct Scene {
    /// What it shows.
    pub(super) about: &'static str,
    pub(super) payload: Value,
    /// What the board signs when the message waits: signal, and which of its keys.
    pub(super) board: &'static [(&'static str, usize)],
    /// The state in which it must end.
    pub(super) ends: &'static str,
}

/// A typing error in the address: its checksum is wrong. Refused by `policy`.
pub(super) fn mistyped() -> Value {
    withdrawal("ETH", "250000000000000000", "0x70997970C51812dc3A010C7d01b50e0d17dc79c8", 9)
}

/// All withdrawals, in the order in which they are submitted.
pub(super) fn all() -> Vec<Scene> {
    let (alice, bob, denied) = (
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x000000000000000000000000000000000000dEaD",
    );
    let scene = |about, payload, ends| Scene { about, payload, board: &[], ends };
    let mut cheap = withdrawal("USDC", "25000000", alice, 5);
    cheap["max_fee_per_gas"] = json!("1");
    cheap["max_priority_fee_per_gas"] = json!("1");
    vec![
        scene("small", withdrawal("ETH", "250000000000000000", alice, 0), "notified"),
        Scene {
            about: "large: two of the board approve it",
            payload: withdrawal("ETH", "49999999999999999999", bob, 1),
            board: &[("approve", 0), ("approve", 1)],
            ends: "notified",
        },
        Scene {
            about: "large: one of the board denies it",
            payload: withdrawal("ETH", "30000000000000000000", bob, 2),
            board: &[("deny", 2)],
            ends: "rejected",
        },
        scene(
            "larger than most: held until a timer lets it go",
            withdrawal("USDC", "2500000000", bob, 3),
            "notified",
        ),
        scene(
            "to an address of the deny list",
            withdrawal("ETH", "1000000000000000000", denied, 4),
            "rejected",
        ),
        scene("a fee that no chain takes: what was reserved is released", cheap, "released"),
        scene(
            "more than the client's limit",
            withdrawal("ETH", "51000000000000000000", alice, 6),
            "rejected",
        ),
    ]
}

fn withdrawal(asset: &str, amount: &str, to: &str, nonce: u32) -> Value {
    json!({
        "asset": asset, "amount": amount, "to": to, "nonce": nonce,
        "max_fee_per_gas": "30000000000", "max_priority_fee_per_gas": "1000000000",
    })
}
