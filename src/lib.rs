//! pilotage: a layer-7 load balancer that knows the container registry API.
//!
//! It stands at the edge, in front of several complete registry nodes, and clients must not notice that it is
//! there. In this order: never hand a client wrong bytes, never lose an acknowledged push, stay up, be
//! understandable, be fast.
//!
//! # The rooms
//!
//! Each folder is a room with one word an operator would recognise. They stand in a line, and a room imports
//! only what stands before it. Files with a star are the shell: only they may await, open a file or a socket,
//! read the clock, draw randomness, log or count. All others are pure: time, randomness and bytes come in as
//! arguments, decisions go out as values. `tests/tidy.rs` reads this list and keeps it true.
//!
//! <!-- rooms -->
//! registry: name digest reference route session range query percent error
//! fleet: node orders health load view
//! observe: names labels rescues findings metrics* affinity* control* shared* guard* record steps history progress log* writer* status* settings trace trail tracer* otlp
//! rewrite: hop forwarded names location link splice challenge cookie systeminfo answer
//! placement: choose rendezvous balance budget
//! affinity: token recent sliding browser issuer ties settings standing shared* shared/address shared/breaker shared/keys shared/script
//! guard: accounts credentials lease* login outcome rate settings shared* sharing* table transfers who
//! spool: disk ledger file* settings
//! upstream: verdict settings authorities* peer* live* probe* inspect*
//! discovery: fixed*
//! download: goal facts takeover settings proof
//! upload: takeover answer elsewhere manifest driver* transfer*
//! edge: settings guarded host scan oddity plan fault lost maintenance shown* connection* exchange* snapshot gate* lookout* phases* answer* accept* deadline* readahead* entrance* listen* tls*
//! control: settings route host answer access page tokens* views* desk*
//! config: mod* admin file table kind notes check problem stray unit settings
//! app: mod* assemble* desk* keys* maintenance* sockets* reload* rotate* task* probes* drain* handover* traces*
//! cli: mod* run* upgrade* check* control* papers* health* doctor* doctor/catalog doctor/finding doctor/release doctor/said doctor/told doctor/judge doctor/render
//! <!-- /rooms -->
//!
//! # The walk of a request
//!
//! 1. `edge/listen` and `edge/accept` take the connection: counted, TLS with a certificate chosen by name,
//!    every wait bounded by `edge/deadline`.
//! 2. `edge/phases/arrive` freezes a [`edge::snapshot::Snapshot`], refuses what proxies could disagree about
//!    (`edge/oddity`), and lets [`registry::route`] say what the request is.
//! 3. `edge/plan` decides once: answer, redirect or relay.
//! 4. `edge/phases/placing` asks [`placement`] for an order of nodes, with what [`affinity`] remembers, and
//!    waits when there is none.
//! 5. The proxy library carries bytes both ways; `upstream/verdict` says what an answer tells of its node.
//! 6. `edge/phases/depart` applies the edits of [`rewrite`], so that every address is the public one, and writes
//!    the record and the spans, whatever happened.
//!
//! A failure becomes a value of `edge/fault`, which alone knows whose fault it is and what the client reads.
//!
//! # The words
//!
//! client · edge (us, seen from the client) · node (one registry node behind us) · fleet (all nodes) · route
//! (what a request is) · session (an upload in progress; a browser's is a UI session) · pin (the node of a
//! session) · placement, choice (which nodes, in which order) · snapshot (settings of one moment) · edits
//! (changes to headers) · fault (why we answer ourselves) · record (the line about a request).

pub mod registry;

pub mod fleet;

pub mod observe;

pub mod rewrite;

pub mod placement;

pub mod affinity;

pub mod guard;

pub mod spool;

pub mod upstream;

pub mod discovery;

pub mod download;

pub mod upload;

pub mod edge;

pub mod control;

pub mod config;

pub mod app;

pub mod cli;
