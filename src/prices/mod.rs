//! List prices of VM sizes from a cloud's public price service, and the file that keeps them.
//! One of the four places that touch the network (tests/architecture.rs); it prints nothing.

mod api;
mod fetch;
mod file;
#[cfg(test)]
mod tests;
mod walk;

pub use fetch::{Event, FetchError, Patience, Service, URL};
pub use file::{replace, usual_file};
pub use walk::Region;
