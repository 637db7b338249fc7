//! The tables: what the backend reads and writes, and what is provisioned.

use super::names::Names;

/// The version of tables, items and queue messages. A host works on its own alone.
pub(crate) const VERSION: u64 = 1;

/// The kind of a key's attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Text.
    S,
    /// A number.
    N,
}

/// An index: its partition's key, its order within it, and what it carries beyond
/// the keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index {
    pub(crate) name: &'static str,
    pub(crate) hash: (&'static str, Kind),
    pub(crate) range: (&'static str, Kind),
    pub(crate) include: &'static [&'static str],
}

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) hash: (&'static str, Kind),
    pub(crate) range: Option<(&'static str, Kind)>,
    /// The attribute by which DynamoDB forgets items, in seconds.
    pub(crate) ttl: Option<&'static str>,
    pub(crate) indexes: &'static [Index],
}

/// Open messages and those that are being made, by shard and id.
pub(super) const OPEN: &str = "open";
/// Messages that move by themselves at a time without a ticket.
pub(super) const DUE: &str = "due";
/// Msg_IDs that were issued and not used, by client and end.
pub(super) const UNUSED: &str = "unused";

/// Reference's indexes are of the same shape: what is asked for, with the shard
/// behind it, and the place in the order of (creation_date, Msg_ID).
const fn of_reference(name: &'static str) -> Index {
    Index { name, hash: (name, Kind::S), range: ("place", Kind::S), include: &[] }
}

const MESSAGES: &[Index] = &[
    Index {
        name: OPEN,
        hash: ("open", Kind::N),
        range: ("msg_id", Kind::S),
        include: &["workflow"],
    },
    Index { name: DUE, hash: ("due_shard", Kind::N), range: ("due", Kind::N), include: &["rev"] },
    Index { name: UNUSED, hash: ("unused", Kind::S), range: ("expires_at", Kind::N), include: &[] },
];

/// By what Reference can be asked, the most telling first.
pub(super) const REFERENCE: &[Index] = &[
    of_reference("by_parked"),
    of_reference("by_client"),
    of_reference("by_state"),
    of_reference("by_type"),
    of_reference("by_all"),
];

/// All tables of a deployment.
pub(crate) fn tables(names: &Names) -> [Table; 4] {
    let id = ("msg_id", Kind::S);
    let table = |name, hash, range, ttl, indexes| Table { name, hash, range, ttl, indexes };
    [
        table(names.messages(), id, None, Some("forget_at"), MESSAGES),
        table(names.records(), id, Some(("place", Kind::S)), None, &[]),
        table(names.reference(), id, None, None, REFERENCE),
        table(names.catalog(), ("kind", Kind::S), Some(("name", Kind::S)), None, &[]),
    ]
}
