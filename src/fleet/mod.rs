//! The nodes: who exists, who is well, for which kind of traffic, and how loaded.
//!
//! The room keeps what pilotage knows about every node behind it and answers one question: which
//! nodes may take a request of this kind, now, and with what share. Probes and passing requests
//! report what they met; the room draws the conclusions.
//!
//! It never probes, waits, logs or counts: the time is an argument, and what happened comes back
//! as [`health::Change`] values for the shell to tell. It never picks a node either, that is the
//! business of `placement`.
//!
//! Its words:
//!
//! * *traffic* is a kind of request that needs its own set of components: pull, push, token, API,
//!   user interface;
//! * *component* is a part of a Harbor node as Harbor's health document names it. A *shared*
//!   component (database, Redis, storage) is one that all nodes use;
//! * *standing* is what a node is worth for one kind of traffic: up, suspect (asked after all that
//!   are up), down, or probation (up with a share that still grows);
//! * *duty* is what the operator wants of a node: active, draining or off;
//! * an *order* is what an operator said while pilotage runs, beside his file;
//! * a *cluster fault* is a shared component that every answering node reports as failing. It
//!   takes no node out, for there is nowhere better to go.

pub mod health;
pub mod load;
pub mod node;
pub mod orders;
pub mod view;
