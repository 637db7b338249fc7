//! Whether hosts can work: what there is, and, by [probes](super::probe), what this
//! identity may do with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use surety_core::ports::Fault;
use surety_core::types::Time;

use super::AwsAdmin;
use super::plan::{Is, queues};
use crate::aws::fault::fault;
use crate::aws::meta::Meta;
use crate::aws::table_fault;
use crate::aws::tables::VERSION;
use crate::findings::{Finding, Grade};

/// How far this machine's clock may be from AWS's. Timers and the ends of leases go by
/// it; at five minutes AWS refuses every call.
const SKEW_MAX: Duration = Duration::from_secs(10);

/// Reads AWS's clock from its answers, the refused ones too.
#[derive(Debug, Default)]
struct Date(Mutex<Option<Time>>);

#[derive(Debug)]
struct ReadDate(Arc<Date>);

impl Intercept for ReadDate {
    fn name(&self) -> &'static str {
        "the date of an answer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|d| DateTime::from_str(d, DateTimeFormat::HttpDate).ok());
        let millis = date.and_then(|d| u64::try_from(d.to_millis().ok()?).ok());
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = millis.map(Time::from_millis);
        Ok(())
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn good(&mut self, what: impl Into<String>, found: impl Into<String>) {
        self.0.push(Finding::new(Grade::Good, what, found));
    }

    pub(super) fn problem(&mut self, what: &str, found: impl Into<String>, remedy: &str) {
        self.0.push(Finding::new(Grade::Problem, what, found).remedy(remedy));
    }

    pub(super) fn note(&mut self, what: &str, found: impl Into<String>, remedy: &str) {
        self.0.push(Finding::new(Grade::Note, what, found).remedy(remedy));
    }

    /// What calls came to; those that failed say why and what to do.
    pub(super) fn calls<const N: usize>(
        &mut self,
        what: String,
        calls: [(&str, Result<(), Fault>); N],
    ) {
        let all: Vec<_> = calls.iter().map(|(name, _)| *name).collect();
        let mut failed = false;
        for (name, result) in calls {
            if let Err(fault) = result {
                failed = true;
                self.0.push(Finding::new(Grade::Problem, &*what, format!("{name}: {fault}")));
            }
        }
        if !failed {
            self.good(what, format!("may {}", all.join(", ")));
        }
    }
}

impl AwsAdmin {
    /// Examines everything. With `probe` it tries as well what a host needs, so that
    /// this identity must be a host's.
    pub async fn doctor(&self, probe: bool) -> Vec<Finding> {
        let mut findings = Findings::default();
        if !self.clocks(&mut findings).await {
            return findings.0;
        }
        let sound = self.resources(&mut findings).await;
        if probe && sound {
            self.access(&mut findings).await;
        } else if probe {
            let why = "not tried before all tables and queues are there";
            findings.note("access", why, "");
        }
        findings.0
    }

    /// Whether both services answer, and how far their clocks are from this one.
    async fn clocks(&self, findings: &mut Findings) -> bool {
        let table = self.names.catalog();
        let date = Arc::new(Date::default());
        let call = self.sdk.dynamodb.describe_table().table_name(&table).customize();
        let asked = call.interceptor(ReadDate(Arc::clone(&date))).send().await;
        let asked = asked.map(|_| ()).map_err(|e| table_fault("looking at", &table, e));
        let mut answers = self.clock_of("DynamoDB", &date, asked, findings);
        let (queue, date) = (self.names.dead_tickets(), Arc::new(Date::default()));
        let call = self.sdk.sqs.get_queue_url().queue_name(&queue).customize();
        let asked = call.interceptor(ReadDate(Arc::clone(&date))).send().await;
        let asked =
            asked.map(|_| ()).map_err(|e| fault(&format!("looking at the queue {queue}"), e));
        answers &= self.clock_of("SQS", &date, asked, findings);
        answers
    }

    fn clock_of(
        &self,
        service: &str,
        date: &Date,
        asked: Result<(), Fault>,
        findings: &mut Findings,
    ) -> bool {
        let now = self.clock.now().as_millis();
        let date = *date.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, Some(date)) = (format!("the clock against {service}'s"), date) else {
            let why = match asked {
                Err(fault) => fault.to_string(),
                Ok(()) => "it says no date".to_owned(),
            };
            let remedy = "look at the network, at `region`, and at the endpoint";
            findings.problem(service, format!("does not answer: {why}"), remedy);
            return false;
        };
        let apart = Duration::from_millis(now.abs_diff(date.as_millis()));
        let found = format!("{} s apart, to the second", apart.as_secs());
        if apart > SKEW_MAX {
            let remedy = "let this machine keep time by NTP; timers go by its clock, and AWS refuses calls that are five minutes off";
            findings.problem(&what, found, remedy);
        } else {
            findings.good(what, found);
        }
        true
    }

    /// Whether tables and queues are as they must be, so that they can be tried.
    async fn resources(&self, findings: &mut Findings) -> bool {
        let mut sound = true;
        let is = match self.look().await {
            Ok(is) => is,
            Err(why) => {
                let remedy = "`surety aws plan` with an operator's identity says what is missing; what follows is what a host can see";
                findings.note("all settings", format!("not looked at: {why}"), remedy);
                return self.look_as_host(findings).await;
            }
        };
        let wanted = Meta::wanted(&self.config);
        let plan = super::plan::plan(&self.names, &self.config, &wanted, &is);
        for refused in &plan.refused {
            sound = false;
            findings.problem("tables", refused, "");
        }
        for change in &plan.changes {
            sound = false;
            findings.problem(
                "resources",
                format!("left to do: {change}"),
                "run `surety aws apply`",
            );
        }
        for (name, table) in &is.tables {
            let indexes = table.indexes.iter().filter(|(_, index)| !index.active);
            let waiting: Vec<_> = indexes.map(|(name, _)| name.as_str()).collect();
            if !table.active || !waiting.is_empty() {
                sound = false;
                let found = format!("is still being made or changed {}", waiting.join(", "));
                findings.problem(&format!("the table {name}"), found.trim(), "wait, and ask again");
            }
            if table.recovery.is_none() {
                let what = format!("the table {name}");
                let found = "this endpoint does not know of point-in-time recovery";
                findings.note(&what, found, "have other backups of it");
            }
        }
        if sound {
            let (tables, queues) = (is.tables.len(), is.queues.len());
            let found = format!(
                "{tables} tables of version {VERSION} and {queues} queues are as they must be"
            );
            findings.good("resources", found);
        }
        self.tickets(&is, findings);
        sound
    }

    /// The same with what a host may ask.
    async fn look_as_host(&self, findings: &mut Findings) -> bool {
        let mut sound = true;
        let wanted = Meta::wanted(&self.config);
        if let Err(why) = crate::aws::meta::check(&self.sdk, &self.names, &wanted).await {
            sound = false;
            findings.problem("tables", why.to_string(), "");
        }
        for queue in queues(&self.names, &self.config) {
            let what = format!("the queue {}", queue.name);
            match self.queue_url(&queue.name).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    sound = false;
                    findings.problem(&what, "is not there", "run `surety aws apply`");
                }
                Err(why) => {
                    sound = false;
                    findings.problem(&what, why.to_string(), "");
                }
            }
        }
        if sound {
            findings.good(
                "resources",
                format!("all tables are of version {VERSION}, all queues are there"),
            );
        }
        sound
    }

    /// Tickets that were put aside.
    fn tickets(&self, is: &Is, findings: &mut Findings) {
        let dead = self.names.dead_tickets();
        let Some(queue) = is.queues.get(&dead) else { return };
        let count = queue.attributes.get("ApproximateNumberOfMessages");
        let count = count.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        if count > 0 {
            let found = format!("has about {count} tickets that were received too often");
            let remedy = "look at the log of the hosts for the messages that they name; the sweep makes new tickets, and these may be purged";
            findings.note(&format!("the queue {dead}"), found, remedy);
        }
    }
}
