//! SQS and DynamoDB for tests: servers on a loopback port that real SDKs talk to,
//! on a clock that the test holds.
//!
//! ```text
//! clock      what the servers take for the time
//! http       a loopback server that can also hang up
//! gate       a client that dies or sleeps at one of its calls
//! chance     knobs and dice: what goes wrong, from a seed
//! sqs        queues: standard and FIFO, as AWS documents them, and worse
//! faults     a proxy in front of DynamoDB's protocol: throttles, conflicts, lost replies
//! dynamo     tables: dynoxide behind that proxy
//! ```
//!
//! Nothing here knows surety: a test of any client of AWS may use it.

mod chance;
pub mod clock;
pub mod dynamo;
pub mod faults;
mod forward;
pub mod gate;
mod http;
pub mod sqs;

pub use chance::Knob;
pub use clock::{Clock, RealClock};
pub use dynamo::Dynamo;
pub use faults::{FaultPlan, Faults};
pub use gate::Gate;
pub use sqs::{Chaos, Sqs};
