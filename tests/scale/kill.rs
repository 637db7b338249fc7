//! Messages under way while hosts are killed, one after the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use surety_tests::host::{Host, WAY, request, sign, withdrawal};
use surety_tests::rig::client_key;

use crate::account::{Account, payout_text};

/// Hosts.
const HOSTS: usize = 3;

/// Kills, unless told otherwise.
const KILLS: u64 = 60;

/// The longest between two kills; half of it on average is half a second.
const APART_MS_MAX: u64 = 1_000;

/// Submitters at a time.
const SUBMITTERS: usize = 3;

/// How long a submitter rests after each message, so that a machine of two processors
/// moves as many as come.
const REST: Duration = Duration::from_millis(100);

/// How long a submitter waits before it sends again what nobody answered.
const AGAIN: Duration = Duration::from_millis(50);

/// How long a message may take to its end after the last kill. What lost its ticket
/// is due again after a minute, and then everything else is before it.
const PATIENCE: Duration = Duration::from_secs(150);

/// How long it is asked again whether a message is final.
const ASK_EACH: Duration = Duration::from_millis(100);

/// The states of a payout.
const PAYOUT_WAY: [&str; 3] = ["asked", "paid", "booked"];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// What all chance comes from.
pub(crate) fn seed() -> u64 {
    variable("SURETY_SCALE_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        now.as_nanos() as u64 | 1
    })
}

/// xorshift64*: moments need no better chance, and a seed repeats them.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// The hosts that are up.
struct Fleet<'a> {
    account: &'a Account,
    hosts: [Mutex<Option<Host>>; HOSTS],
}

impl<'a> Fleet<'a> {
    fn host(&self, number: usize) -> MutexGuard<'_, Option<Host>> {
        self.hosts[number % HOSTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(account: &'a Account) -> Self {
        let hosts = std::array::from_fn(|number| Mutex::new(Some(account.start(number))));
        Self { account, hosts }
    }

    /// One that is up, this one or the next.
    fn address(&self, number: usize) -> Option<String> {
        (number..number + HOSTS).find_map(|n| Some(self.host(n).as_ref()?.address().to_owned()))
    }

    /// Kills this host, or the next that is up, and gives its number.
    fn kill(&self, number: usize) -> Option<usize> {
        (number..number + HOSTS).map(|n| n % HOSTS).find(|n| {
            let host = self.host(*n).take();
            host.is_some_and(|mut host| {
                host.kill();
                true
            })
        })
    }

    fn start_again(&self, number: usize) {
        let host = self.account.start(number);
        *self.host(number) = Some(host);
    }
}

/// Acknowledged messages: id to the exact text that was signed.
type Acknowledged = Mutex<HashMap<String, String>>;

/// Submits until told to stop. What nobody answered is sent again, to whoever is up.
fn submit(fleet: &Fleet<'_>, first: usize, stop: &AtomicBool, acknowledged: &Acknowledged) {
    let (key, mut turn, mut ids) = (client_key(), first, Vec::<String>::new());
    while !stop.load(Ordering::SeqCst) {
        turn += 1;
        let Some(id) = ids.pop() else {
            let issue = br#"{"client_id":"acme","count":20}"#;
            let issued = ask(fleet, turn, "/v1/msg-ids", issue);
            let Some((201, issued)) = issued else { continue };
            let fresh = issued["msg_ids"].as_array().into_iter().flatten();
            ids.extend(fresh.filter_map(Value::as_str).map(str::to_owned));
            continue;
        };
        let text = match turn % 2 {
            0 => withdrawal(&id),
            _ => payout_text(&id, "ETH"),
        };
        let text = text.to_string();
        let body = sign(&key, &text).to_string();
        loop {
            match ask(fleet, turn, "/v1/messages", body.as_bytes()) {
                Some((200 | 202, _)) => break,
                // Not now: another host has it in hand, or cannot reach what it needs.
                None | Some((503, _)) => {}
                Some((status, answer)) => panic!("{status}: {answer}"),
            }
            turn += 1;
            std::thread::sleep(AGAIN);
        }
        acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(id, text);
        std::thread::sleep(REST);
    }
}

/// Asks a host, or nobody when none is up or it is killed meanwhile.
fn ask(fleet: &Fleet<'_>, turn: usize, path: &str, body: &[u8]) -> Option<(u16, Value)> {
    let Some(address) = fleet.address(turn) else {
        std::thread::sleep(AGAIN);
        return None;
    };
    request(&address, None, "POST", path, body).ok()
}

/// Kills and starts hosts while messages come, and then looks at everything.
pub(crate) fn run(account: &Account) {
    let (kills, seed) = (variable("SURETY_SCALE_KILLS").unwrap_or(KILLS), seed());
    println!("{kills} kills of {HOSTS} hosts, SURETY_SCALE_SEED={seed}");
    let (fleet, acknowledged) = (Fleet::start(account), Acknowledged::default());
    // The others follow.
    account.deploy(fleet.host(0).as_ref().unwrap());
    for number in 1..HOSTS {
        wait_for_workflows(fleet.host(number).as_ref().unwrap());
    }
    let (mut chance, begun) = (seed, Instant::now());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for first in 0..SUBMITTERS {
            let (fleet, stop, acknowledged) = (&fleet, &stop, &acknowledged);
            scope.spawn(move || submit(fleet, first, stop, acknowledged));
        }
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(next(&mut chance) % APART_MS_MAX));
            let number = next(&mut chance) as usize % HOSTS;
            let killed = loop {
                match fleet.kill(number) {
                    Some(killed) => break killed,
                    None => std::thread::sleep(AGAIN),
                }
            };
            let fleet = &fleet;
            scope.spawn(move || fleet.start_again(killed));
        }
        stop.store(true, Ordering::SeqCst);
    });
    let killing = begun.elapsed();
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() as u64 > kills, "only {} messages", acknowledged.len());
    let hosts: Vec<_> = fleet.hosts.map(|host| host.into_inner().unwrap().unwrap()).into();
    finals(&hosts, &acknowledged);
    let (moving, payouts) = (begun.elapsed(), paid_once(account, &acknowledged));
    for (n, (id, text)) in acknowledged.iter().enumerate() {
        check(&hosts[n % HOSTS], id, text);
    }
    println!(
        "{kills} kills in {:.1} s, {} acknowledged ({payouts} payouts), all final once after {:.1} s",
        killing.as_secs_f64(),
        acknowledged.len(),
        moving.as_secs_f64(),
    );
    shown(&hosts[0], acknowledged.len());
    let mut hosts = hosts;
    for host in &mut hosts {
        assert!(host.stop(), "a host stops");
    }
    let host = &hosts[0];
    let (swept, left) = account.sweep();
    assert_eq!(left, Account::feeders(), "queues of no open message: {swept:?}");
    assert_eq!(swept.fed_again + swept.admissions_ended, 0, "{swept:?}");
    // I6: nothing needed mending.
    let report = host.done(&["reconcile", "--check", "--config", &account.config()]);
    println!("{report:?}, {} queues removed by the sweep", swept.queues_removed);
    assert_eq!(report[0]["archived"], acknowledged.len(), "{report:?}");
}

/// Waits until a host has taken over what was deployed elsewhere.
pub(crate) fn wait_for_workflows(host: &Host) {
    let begun = Instant::now();
    loop {
        let (_, all) = host.ask("GET", "/v1/workflows", "").unwrap();
        let text = all.to_string();
        if text.contains("withdrawal") && text.contains("payout") {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing was taken over: {all}");
        std::thread::sleep(ASK_EACH);
    }
}

/// Waits until every message is final.
fn finals(hosts: &[Host], acknowledged: &HashMap<String, String>) {
    let begun = Instant::now();
    for (n, (id, text)) in acknowledged.iter().enumerate() {
        let end = way_of(text);
        loop {
            let asked = hosts[n % HOSTS].ask("GET", &format!("/v1/messages/{id}"), "");
            let (status, message) = asked.unwrap();
            assert!(matches!(status, 200 | 503), "I1: {status} {message}");
            if message["final"] == true || message["parked"] == true {
                assert_eq!(message["msg_state"], *end.last().unwrap(), "I1: {message}");
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "I1: {id} does not end: {message}");
            std::thread::sleep(ASK_EACH);
        }
    }
}

/// Each payout was asked for under one key, however often. Gives how many there are.
fn paid_once(account: &Account, acknowledged: &HashMap<String, String>) -> usize {
    let orders = account.treasury.orders();
    for (id, keys) in &orders {
        assert!(acknowledged.contains_key(id), "{id} was paid and never acknowledged");
        let keys: Vec<_> = keys.keys().collect();
        assert_eq!(keys, [&format!("{id}-0-0")], "I4: paid more than once");
    }
    orders.len()
}

/// The states of a message that goes well.
fn way_of(text: &str) -> &'static [&'static str] {
    if text.contains("\"payout\"") { &PAYOUT_WAY } else { &WAY }
}

/// What was signed is what is archived, with the whole way.
fn check(host: &Host, id: &str, text: &str) {
    let bundle = host.bundle(id);
    assert_eq!(*bundle.message.text, *text, "I2");
    let records = bundle.verify().unwrap_or_else(|e| panic!("I10: {id}: {e}"));
    let mut states: Vec<_> = records.iter().map(|r| r.to.as_str()).collect();
    // An attempt that failed for a moment is a record of its own.
    for record in records.iter().filter(|record| record.failure.is_some()) {
        println!("{id} at {}: {:?}", record.to, record.failure);
    }
    let failed = records.iter().filter(|record| record.failure.is_some()).count();
    states.dedup();
    assert_eq!(records.len() - failed, way_of(text).len(), "I3: {id}");
    assert_eq!(states, way_of(text), "I3: {id}");
    let seqs: Vec<_> = records.iter().map(|r| r.seq).collect();
    let expected: Vec<_> = (0..records.len() as u64).collect();
    assert_eq!(seqs, expected, "I3: {id}");
}

/// All that is shown is final, and nothing is shown that was not acknowledged.
fn shown(host: &Host, acknowledged: usize) {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let (status, page) =
            host.ask("GET", &format!("/v1/messages?limit=100{cursor}"), "").unwrap();
        assert_eq!(status, 200, "{page}");
        let messages = page["messages"].as_array().unwrap();
        assert!(messages.iter().all(|message| message["final"] == true), "{page}");
        count += messages.len();
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(count, acknowledged);
}
