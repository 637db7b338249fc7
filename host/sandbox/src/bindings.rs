//! What `wit/` says, as Rust.
#![allow(missing_docs, unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit/action-1.0.0",
    world: "action",
    // A loop must be able to yield to other messages.
    exports: { default: async },
    // A call over the limit ends the guest.
    imports: { default: trappable },
    // The message is lent to the call, not copied for it.
    ownership: Borrowing { duplicate_if_necessary: false },
});

/// The world `validator`, with the interfaces of the world `action`.
pub(crate) mod validator {
    wasmtime::component::bindgen!({
        path: "../../wit/action-1.0.0",
        world: "validator",
        exports: { default: async },
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: false },
        with: {
            "surety:action/types": super::surety::action::types,
            "surety:action/log": super::surety::action::log,
        },
    });
}
