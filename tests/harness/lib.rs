//! Starts fixture programs and asks them questions.

mod findings;
mod fixture;
pub mod flood;
pub mod go;
mod load;
pub mod port;
mod profiles;
pub mod promtool;
mod receiver;
mod service;
mod slack;
pub mod slack_sdk;

pub use findings::{Build, findings};
pub use fixture::{Fixture, Running, cargo};
pub use load::Load;
pub use profiles::{check_kept, judge_pushed};
pub use receiver::{Post, Receiver};
pub use service::Service;
pub use slack::{FakeSlack, block};
