//! A host with real processes and real connections: shifting, failing, recovering, ending.

mod cohorts;
mod converting;
mod ending;
mod forwarding;
mod load;
mod mirroring;
mod recovery;
mod setting;
mod shifting;
mod targeting;
mod walking;
