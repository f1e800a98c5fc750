//! How an address that a client brings stands to what other instances know of the upload.

use crate::affinity::token::Upload;

/// What to do with a client's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing newer is known.
    Current,
    /// The upload has exactly these bytes, and has moved: go on there.
    Moved(Upload),
    /// A takeover has left this address behind: its session is never to be written again.
    Behind(Upload),
}

/// Compares the client's address with the one that the latest takeover led to.
///
/// The client's next address after a takeover holds more bytes than the takeover did; one that holds fewer was
/// given before it, and the answer with the newer one may have been lost.
pub fn standing(client: &Upload, known: Upload) -> Standing {
    if client.offset > known.offset
        || (client.node == known.node && client.location == known.location)
    {
        return Standing::Current;
    }
    if client.offset == known.offset && client.offset > 0 {
        return Standing::Moved(known);
    }
    Standing::Behind(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::node::NodeId;
    use crate::registry::name::RepositoryName;
    use crate::registry::session::SessionId;

    fn upload(node: &str, location: &str, offset: u64) -> Upload {
        Upload {
            repository: RepositoryName::parse("lab/app").unwrap(),
            session: SessionId::parse("0f3c").unwrap(),
            node: NodeId::parse(node).unwrap(),
            location: location.to_owned(),
            offset,
            issued: 0,
        }
    }

    #[test]
    fn who_has_seen_the_takeover_or_been_further_is_current() {
        let known = upload("b", "/2", 10);
        for client in [
            upload("b", "/2", 10),
            upload("b", "/3", 20),
            upload("c", "/4", 11),
        ] {
            assert_eq!(standing(&client, known.clone()), Standing::Current);
        }
    }

    #[test]
    fn who_has_as_many_bytes_goes_where_they_are() {
        let known = upload("b", "/2", 10);
        let client = upload("a", "/1", 10);
        assert_eq!(standing(&client, known.clone()), Standing::Moved(known));
    }

    #[test]
    fn who_repeats_an_older_address_is_behind() {
        let known = upload("b", "/2", 10);
        for client in [upload("a", "/1", 0), upload("a", "/1", 5)] {
            assert_eq!(
                standing(&client, known.clone()),
                Standing::Behind(known.clone())
            );
        }
        let begun = upload("b", "/2", 0);
        let client = upload("a", "/1", 0);
        assert_eq!(standing(&client, begun.clone()), Standing::Behind(begun));
    }
}
