//! The language of the registry API: names, digests, references, routes, and the errors that both
//! sides speak.
//!
//! This room turns the text of a request target into a [`route::Target`] and back, byte for byte,
//! and tells which targets are refused because a node could read them in another way than we do. It
//! knows the error envelope that registry clients expect, to write it and to read it.
//!
//! It never does I/O, never logs, never decides where a request goes, and never repairs what it
//! reads: a path that is not exactly an endpoint is [`route::Route::OtherV2`] and goes to a node as
//! it came.
//!
//! Words: a **repository** has a name; a **reference** is a tag or a digest; a **digest** names
//! content; a **session** is an upload in progress; a **target** is a path with its query; an
//! **oddity** is a target that two servers may read in two ways.

pub mod digest;
pub mod error;
pub mod name;
mod percent;
pub mod query;
pub mod range;
pub mod reference;
pub mod route;
pub mod session;
