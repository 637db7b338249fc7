//! Reports for people. What strangers wrote is shown in one escaped line each.

use surety_core::text::line;

use crate::diff::{Change, Diff};
use crate::reach::{Reach, ReachedBy};
use crate::report::{
    Asked, Audit, ClientView, Core, Finding, Granted, Limit, Powers, Signer, Weight,
};
use crate::schemas;
use crate::touches::{Touched, Touches};
use crate::ways::Hop;

/// The longest text of a stranger in one line.
const TEXT_BYTES_MAX: usize = 400;

/// Sections and core modules that are listed for people; JSON has all of them.
const LISTED_MAX: usize = 12;

fn safe(text: &str) -> String {
    line(text, TEXT_BYTES_MAX)
}

fn safe_list(texts: &[String]) -> String {
    texts.iter().map(|text| safe(text)).collect::<Vec<_>>().join(", ")
}

/// Headings with indented lines under them.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line(0, text);
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.0.push_str(&" ".repeat(indent));
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }

    /// Rows in columns; the last one is as wide as it is.
    fn rows<const N: usize>(&mut self, indent: usize, rows: &[[String; N]]) {
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        for row in rows {
            let cells = row.iter().enumerate();
            let cells = cells.map(|(i, cell)| format!("{cell:0$}", width(i).unwrap_or(0)));
            self.line(indent, &cells.collect::<Vec<_>>().join("  "));
        }
    }

    fn none(&mut self, is_empty: bool) {
        if is_empty {
            self.line(2, "none");
        }
    }
}

/// An audit.
#[must_use]
pub fn show_audit(audit: &Audit) -> String {
    let mut page = Page::default();
    head(&mut page, audit);
    findings(&mut page, &audit.findings);
    powers(&mut page, &audit.capabilities);
    page.head("states");
    states(&mut page, audit);
    limits(&mut page, &audit.limits);
    outside(&mut page, audit);
    inside(&mut page, audit);
    if let Some(reach) = &audit.reach {
        page.0.push('\n');
        page.0.push_str(&show_reach(reach));
    }
    page.0
}

fn head(page: &mut Page, audit: &Audit) {
    let mut rows = Vec::new();
    match &audit.module {
        Some(module) => {
            rows.push([safe(&module.world), safe(&module.label())]);
            rows.push(["says".to_owned(), safe(&module.description)]);
        }
        None => rows.push(["module".to_owned(), "without a manifest that can be read".to_owned()]),
    }
    rows.push(["digest".to_owned(), audit.digest.clone()]);
    rows.push(["size".to_owned(), format!("{} bytes", audit.bytes)]);
    let signer = |s: &Signer| {
        let but = if s.holds { "" } else { ", but it does not hold" };
        format!("{} ({}{but})", safe(&s.address), safe(&s.role))
    };
    let signed = match audit.signers[..] {
        [] => "by nobody whose signature is at hand".to_owned(),
        _ => audit.signers.iter().map(signer).collect::<Vec<_>>().join(", "),
    };
    rows.push(["signed".to_owned(), signed]);
    let taken = match &audit.refused {
        Some(refused) => format!("no host takes it: {}: {}", refused.code, safe(&refused.detail)),
        None => "as a host takes it".to_owned(),
    };
    rows.push(["form".to_owned(), taken]);
    page.rows(0, &rows);
    for error in audit.refused.iter().flat_map(|refused| &refused.errors) {
        page.line(4, &format!("{} {}", safe(&error.pointer), safe(&error.detail)));
    }
}

fn findings(page: &mut Page, findings: &[Finding]) {
    page.head("findings");
    page.none(findings.is_empty());
    for Finding { code, weight, found, meaning } in findings {
        let weight = match weight {
            Weight::Look => "LOOK",
            Weight::Note => "note",
        };
        page.line(2, &format!("{weight} {code}: {meaning}"));
        found.iter().for_each(|place| page.line(7, &safe(place)));
    }
}

fn powers(page: &mut Page, powers: &Powers) {
    page.head("asks for, beyond log");
    page.none(powers.http.is_empty() && powers.secrets.is_empty());
    powers.http.iter().for_each(|asked| page.line(2, &requests(asked)));
    if !powers.secrets.is_empty() {
        page.line(2, &format!("secrets {}", safe_list(&powers.secrets)));
    }
    page.head("is granted");
    page.none(powers.granted_http.is_empty());
    powers.granted_http.iter().for_each(|rule| granted(page, 2, rule));
}

fn requests(asked: &Asked) -> String {
    let ports: Vec<_> = asked.ports.iter().map(ToString::to_string).collect();
    let (methods, hosts) = (safe_list(&asked.methods), safe_list(&asked.hosts));
    format!("{methods} to {hosts} at {}", ports.join(", "))
}

fn granted(page: &mut Page, indent: usize, rule: &Granted) {
    let by = format!("by `{}` (line {} of the policy)", safe(&rule.by.id), rule.by.line);
    page.line(indent, &format!("{}, {by}", requests(&rule.requests)));
    if !rule.secrets.is_empty() {
        page.line(indent + 2, &format!("with secrets {}", safe_list(&rule.secrets)));
    }
    if !rule.private_addresses.is_empty() {
        page.line(indent + 2, &format!("also at {}", safe_list(&rule.private_addresses)));
    }
    if rule.plain_http {
        page.line(indent + 2, "also without TLS");
    }
}

/// The states that it may return, with what it writes there.
fn states(page: &mut Page, audit: &Audit) {
    let returns = audit.manifest.as_ref().and_then(|manifest| manifest["returns"].as_object());
    let rows: Vec<_> = returns
        .into_iter()
        .flatten()
        .map(|(state, schema)| {
            let members = schema["properties"].as_object().into_iter().flatten();
            let members: Vec<_> = members.map(|(name, _)| name.clone()).collect();
            let writes = match (members.is_empty(), schemas::is_closed(schema)) {
                (true, true) => "nothing".to_owned(),
                (true, false) => "anything".to_owned(),
                (false, true) => safe_list(&members),
                (false, false) => format!("{}, and anything else", safe_list(&members)),
            };
            [safe(state), format!("writes {writes}")]
        })
        .collect();
    page.none(rows.is_empty());
    page.rows(2, &rows);
}

fn limits(page: &mut Page, limits: &[Limit]) {
    page.head("limits of a call");
    page.none(limits.is_empty());
    let show = |limit: Option<u64>| limit.map_or("-".to_owned(), |limit| limit.to_string());
    let mut rows = vec![["", "in force", "host", "asked", "policy"].map(str::to_owned)];
    rows.extend(limits.iter().map(|limit| {
        let Limit { name, host, asked, policy, in_force } = limit;
        [safe(name), in_force.to_string(), host.to_string(), show(*asked), show(*policy)]
    }));
    page.rows(2, if limits.is_empty() { &[] } else { &rows });
}

fn outside(page: &mut Page, audit: &Audit) {
    page.head("imports");
    page.none(audit.imports.is_empty());
    for import in &audit.imports {
        page.line(2, &format!("{}: {}", safe(&import.name), import.meaning));
        if !import.functions.is_empty() {
            page.line(4, &safe_list(&import.functions));
        }
    }
    page.head("exports");
    page.none(audit.exports.is_empty());
    audit.exports.iter().for_each(|export| page.line(2, &safe(export)));
    page.head("imports and exports as WIT");
    page.none(audit.wit.is_none());
    let wit = audit.wit.as_deref().unwrap_or_default();
    // Indented, so that no line of it looks like one of this report.
    wit.lines().for_each(|text| page.line(2, &safe(text)));
}

fn inside(page: &mut Page, audit: &Audit) {
    page.head("made with, by its own word");
    page.none(audit.producers.is_empty());
    for producer in audit.producers.iter().take(LISTED_MAX) {
        let (field, name) = (safe(&producer.field), safe(&producer.name));
        page.line(2, &format!("{field} {name} {}", safe(&producer.version)));
    }
    more(page, audit.producers.len());
    page.head("core modules");
    page.none(audit.core_modules.is_empty());
    let row = |core: &Core| {
        [
            core.name.clone(),
            format!("{} bytes", core.bytes),
            format!("{} functions", core.functions),
            format!("starts with {} bytes of memory", core.memory_bytes),
            format!("{} bytes of data", core.data_bytes),
        ]
    };
    page.rows(2, &audit.core_modules.iter().take(LISTED_MAX).map(row).collect::<Vec<_>>());
    more(page, audit.core_modules.len());
    page.head("custom sections");
    page.none(audit.sections.is_empty());
    let sections = audit.sections.iter().take(LISTED_MAX);
    let rows: Vec<_> = sections
        .map(|s| [safe(&s.name), format!("{} bytes", s.bytes), format!("in {}", s.within)])
        .collect();
    page.rows(2, &rows);
    more(page, audit.sections.len());
}

fn more(page: &mut Page, all: usize) {
    if let Some(more) = all.checked_sub(LISTED_MAX + 1) {
        page.line(2, &format!("and {} more; --json has them", more + 1));
    }
}

/// What makes a module run.
#[must_use]
pub fn show_reach(reach: &Reach) -> String {
    let mut page = Page::default();
    page.head("run by");
    page.none(reach.by.is_empty());
    for by in &reach.by {
        let ReachedBy { msg_type, version, admits, state, names, runs, way, clients: who } = by;
        let open = if *admits { "" } else { ", to which only older messages are pinned" };
        page.line(2, &format!("messages `{msg_type}` of workflow version {version}{open}"));
        let place = match state {
            Some(state) => format!("in the state `{state}`"),
            None => "before they are kept, as a validator".to_owned(),
        };
        let now = if *runs { "which is this version" } else { "which is a newer version now" };
        page.line(4, &format!("{place}, as `{names}`, {now}"));
        match way {
            Some(way) => hops(&mut page, 6, way),
            None => page.line(6, "no message gets there"),
        }
        clients(&mut page, 4, who);
    }
    page.0
}

fn hops(page: &mut Page, indent: usize, way: &[Hop]) {
    for Hop { from, by, to } in way {
        page.line(indent, &format!("{from} → {to}  {}", safe(by)));
    }
}

fn clients(page: &mut Page, indent: usize, clients: &[ClientView]) {
    if clients.is_empty() {
        page.line(indent, "submitted by no client that is known here");
    }
    for ClientView { client_id, signers } in clients {
        page.line(indent, &format!("submitted by {client_id}, signed by {}", safe_list(signers)));
    }
}

/// What a message type can touch.
#[must_use]
pub fn show_touches(touches: &Touches) -> String {
    let mut page = Page::default();
    let list = |texts: &[String]| match texts.is_empty() {
        true => "none".to_owned(),
        false => safe_list(texts),
    };
    page.rows(
        0,
        &[
            ["messages".to_owned(), touches.msg_type.clone()],
            ["workflow".to_owned(), format!("version {} {}", touches.version, touches.workflow)],
            ["hosts".to_owned(), list(&touches.hosts)],
            ["secrets".to_owned(), list(&touches.secrets)],
        ],
    );
    clients(&mut page, 0, &touches.clients);
    page.head("modules");
    page.none(touches.modules.is_empty());
    touches.modules.iter().for_each(|module| touched(&mut page, module));
    page.head("signals");
    page.none(touches.people.is_empty());
    for person in &touches.people {
        let (state, signal, target) = (&person.state, &person.signal, &person.target);
        page.line(2, &format!("{state} → {target}  {signal} of {} signers", person.quorum));
        page.line(4, &format!("if {}", safe(&person.guard)));
        page.line(4, &format!("given by {}", list(&person.clients)));
    }
    if !touches.unreached.is_empty() {
        page.head("states that no message gets into");
        page.line(2, &safe_list(&touches.unreached));
    }
    page.0
}

fn touched(page: &mut Page, touched: &Touched) {
    let now = match (&touched.module, &touched.digest) {
        (Some(module), Some(digest)) => format!("{} {digest}", safe(&module.label())),
        _ => "no known module fits".to_owned(),
    };
    page.line(2, &format!("{}: {now}", touched.names));
    if touched.http.is_empty() {
        page.line(4, "reaches no host");
    }
    touched.http.iter().for_each(|rule| granted(page, 4, rule));
    for (state, way) in &touched.states {
        page.line(4, &format!("in `{state}`"));
        hops(page, 6, way);
    }
    let is_validator = touched.module.as_ref().is_some_and(|module| module.world == "validator");
    if is_validator {
        page.line(4, "before messages are kept, as a validator");
    }
}

/// What changed between two versions.
#[must_use]
pub fn show_diff(diff: &Diff) -> String {
    let mut page = Page::default();
    let rows = [["old".to_owned(), safe(&diff.old)], ["new".to_owned(), safe(&diff.new)]];
    page.rows(0, &rows);
    changes(&mut page, "may do more", &diff.more);
    changes(&mut page, "may do less", &diff.less);
    changes(&mut page, "is otherwise different", &diff.other);
    page.0
}

fn changes(page: &mut Page, heading: &str, changes: &[Change]) {
    page.head(heading);
    page.none(changes.is_empty());
    for Change { what, at, detail } in changes {
        page.line(2, &format!("{what} {}: {}", safe(at), safe(detail)));
    }
}
