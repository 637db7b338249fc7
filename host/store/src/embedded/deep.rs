//! Whether every open message will move: what the file says. Only looks, at one
//! moment's state, and a host may run meanwhile.

use std::collections::BTreeSet;

use rusqlite::{Connection, OpenFlags};
use surety_core::machine::{Head, Phase};
use surety_core::types::{Digest, MsgId, Time};

use super::EmbeddedConfig;
use crate::deep::{Fate, Messages};
use crate::findings::{Finding, Grade};

/// Open messages with their tickets. One without a body cannot be loaded.
const OPEN: &str = "
SELECT ids.msg_id, head.head, ticket.at, body.mid IS NOT NULL FROM head JOIN ids USING (mid)
LEFT JOIN ticket USING (mid) LEFT JOIN body USING (mid) ORDER BY ids.msg_id";

const RESTORE: &str = "restore the folder from a backup";

/// Examines every open message of a data folder as of a time.
#[must_use]
pub fn examine_messages(config: &EmbeddedConfig, now: Time) -> Vec<Finding> {
    let file = config.path.join("surety.db");
    if !file.exists() {
        return Messages::default().findings();
    }
    read(&file, now).unwrap_or_else(|e| {
        let found = format!("cannot be read: {e}");
        vec![Finding::new(Grade::Problem, "the open messages", found).remedy(RESTORE)]
    })
}

fn read(file: &std::path::Path, now: Time) -> rusqlite::Result<Vec<Finding>> {
    let mut db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let db = db.transaction()?;
    let text = |row: &rusqlite::Row<'_>| Ok(Digest::of(row.get_ref(0)?.as_str()?.as_bytes()));
    let workflows: BTreeSet<Digest> = db
        .prepare("SELECT text FROM workflow")?
        .query_map([], text)?
        .collect::<rusqlite::Result<_>>()?;
    let mut messages = Messages::default();
    let mut open = db.prepare(OPEN)?;
    let mut rows = open.query([])?;
    while let Some(row) = rows.next()? {
        let id = MsgId::from_bytes(row.get(0)?);
        let head = Head::decode(row.get_ref(1)?.as_blob()?);
        let ticket = row.get::<_, Option<i64>>(2)?;
        let ticket = ticket.map(|at| Time::from_millis(at.unsigned_abs()));
        messages.add(id, fate(head, ticket, row.get(3)?, &workflows, now));
    }
    Ok(messages.findings())
}

fn fate(
    head: Result<Head, surety_core::codec::DecodeError>,
    ticket: Option<Time>,
    has_body: bool,
    workflows: &BTreeSet<Digest>,
    now: Time,
) -> Fate {
    let head = match head {
        Ok(head) => head,
        Err(why) => return Fate::stuck(format!("what it came to cannot be read: {why}"), RESTORE),
    };
    if !has_body {
        return Fate::stuck("its signed text is gone", RESTORE);
    }
    if !workflows.contains(&head.workflow) {
        return Fate::without_workflow(head.workflow);
    }
    match (head.phase, ticket) {
        (Phase::Parked, _) => Fate::Rests,
        (_, Some(at)) => Fate::due(at, now),
        (_, None) => Fate::stuck(
            "it moves by itself and has no ticket",
            "`surety export` and `surety import` into a new folder give each message its ticket",
        ),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::params;
    use surety_core::ext::MsgExt;

    use super::*;
    use crate::embedded::schema;

    fn head(phase: Phase, workflow: Digest) -> Head {
        Head {
            seq: 1,
            state: "middle".parse().unwrap(),
            phase,
            step: 1,
            attempt: 1,
            due: Time::from_millis(5),
            ext: MsgExt::empty(),
            workflow,
            link: Digest([1; 32]),
            updated_at: Time::from_millis(5),
            last_error: None,
            given: Vec::new(),
        }
    }

    #[test]
    fn each_message_that_nothing_moves_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let db = Connection::open(folder.path().join("surety.db")).unwrap();
        schema::prepare(&db, None).unwrap();
        let known = Digest::of(b"a workflow");
        db.execute("INSERT INTO workflow VALUES ('t', 1, 'a workflow')", []).unwrap();
        let encoded = |phase, workflow| head(phase, workflow).encode();
        let messages = [
            (encoded(Phase::Running, known), true, true),
            (encoded(Phase::Parked, known), true, false),
            (encoded(Phase::Waiting, known), true, false),
            (encoded(Phase::Final, known), true, false),
            (encoded(Phase::Running, Digest([9; 32])), true, true),
            (encoded(Phase::Running, known), false, true),
            (b"no head".to_vec(), true, true),
        ];
        for (mid, (head, body, ticket)) in (0_u8..).zip(messages) {
            let issued = "INSERT INTO ids VALUES (?, ?, 'acme', 9, 1)";
            db.execute(issued, params![mid, [mid; 16]]).unwrap();
            db.execute("INSERT INTO head VALUES (?, 1, ?)", params![mid, head]).unwrap();
            if body {
                db.execute("INSERT INTO body VALUES (?, x'', x'')", [mid]).unwrap();
            }
            if ticket {
                db.execute("INSERT INTO ticket VALUES (?, 1, 5, 0)", [mid]).unwrap();
            }
        }
        let found = examine_messages(&EmbeddedConfig::new(folder.path()), Time::from_millis(1_000));
        let lines: Vec<_> = found.iter().map(|f| format!("{}: {}", f.what, f.found)).collect();
        let words = ["no ticket", "no ticket", "is not deployed", "text is gone", "cannot be read"];
        assert_eq!(lines.len(), words.len() + 1, "{lines:#?}");
        for (n, words) in (2..).zip(words) {
            let id = MsgId::from_bytes([n; 16]);
            let line = &lines[usize::from(n) - 2];
            assert!(line.contains(&id.to_string()) && line.contains(words), "{line}");
        }
        assert!(lines[5].contains("7 are open: 1 have a ticket or a time, 1 wait for a person"));
    }
}
