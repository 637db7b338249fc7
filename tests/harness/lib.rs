//! What the tests share: a clock that they move, actions that they script, a
//! fuse that crashes the host at a chosen port call, random workflows, and a rig
//! that puts a host together on any backend.

pub mod backend;
pub mod clock;
pub mod cloud;
pub mod corpus;
pub mod emulators;
pub mod fuse;
pub mod host;
pub mod payout;
pub mod random;
pub mod remote;
pub mod rig;
pub mod scripted;
pub mod servers;
pub mod story;
