//! A question to a name server and what it answers (RFC 1035 §4), in the types of the `domain` crate.

use core::net::IpAddr;
use core::str::FromStr;
use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::{A, Aaaa, Ptr};

/// The largest answer that is taken in one datagram, in octets: what passes most paths in one piece.
const DATAGRAM: u16 = 1_232;

/// A question that can be told from others by its number and its words.
pub(super) type Query = Message<Vec<u8>>;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is no answer to this question.
    Stranger,
    /// What the name has of the kind that was asked for; nothing when it has none.
    Found(Vec<Record>),
    /// Nobody has this name.
    NoName,
    /// The answer is longer than a datagram.
    Cut,
    /// The server could not or would not say.
    Failed(Rcode),
}

/// What a name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// An address.
    Address(IpAddr),
    /// Another name.
    Name(String),
}

impl Record {
    /// Returns the address, if it is one.
    pub(super) const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    /// Returns the name, if it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }
}

/// Returns the two questions for a name's addresses, IPv4 and IPv6, with numbers that cannot be guessed.
///
/// # Errors
/// A sentence, when nobody can be asked for it.
pub(super) fn addresses_of(name: &str) -> Result<Vec<Query>, String> {
    let wrong = |_| "it is no name that a name server can be asked for".to_owned();
    let qname = Name::<Vec<u8>>::from_str(name).map_err(wrong)?;
    [Rtype::A, Rtype::AAAA].map(|rtype| query(&qname, rtype)).into_iter().collect()
}

/// Returns the question for an address's name (RFC 1035 §3.5, RFC 3596 §2.5).
///
/// # Errors
/// A sentence, when there is no randomness.
pub(super) fn name_of(ip: IpAddr) -> Result<Vec<Query>, String> {
    let qname = Name::<Vec<u8>>::reverse_from_addr(ip).map_err(|error| error.to_string())?;
    query(&qname, Rtype::PTR).map(|query| vec![query])
}

fn query(qname: &Name<Vec<u8>>, rtype: Rtype) -> Result<Query, String> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| error.to_string())?;
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(u16::from_ne_bytes(id));
    message.header_mut().set_rd(true);
    let mut question = message.question();
    question.push((qname, rtype)).map_err(|error| error.to_string())?;
    let mut rest = question.additional();
    rest.opt(|opt| {
        opt.set_udp_payload_size(DATAGRAM);
        Ok(())
    })
    .map_err(|error| error.to_string())?;
    Ok(rest.into_message())
}

/// Reads a message as the answer to a question.
pub(super) fn hear(query: &Query, octets: &[u8]) -> Heard {
    let Ok(message) = Message::from_octets(octets) else { return Heard::Stranger };
    if !message.is_answer(query) {
        return Heard::Stranger;
    }
    if message.header().tc() {
        return Heard::Cut;
    }
    match message.header().rcode() {
        Rcode::NOERROR => Heard::Found(records(&message)),
        Rcode::NXDOMAIN => Heard::NoName,
        other => Heard::Failed(other),
    }
}

/// Returns what stands at the end of the chain of names; records of other names are nobody's.
fn records(message: &Message<&[u8]>) -> Vec<Record> {
    let (Some(name), Ok(answer)) = (message.canonical_name(), message.answer()) else { return Vec::new() };
    let four = answer.limit_to_in::<A>().flatten().filter(|record| *record.owner() == name);
    let four = four.map(|record| Record::Address(record.data().addr().into()));
    let six = answer.limit_to_in::<Aaaa>().flatten().filter(|record| *record.owner() == name);
    let six = six.map(|record| Record::Address(record.data().addr().into()));
    let names = answer.limit_to_in::<Ptr<_>>().flatten().filter(|record| *record.owner() == name);
    let names = names.filter_map(|record| host_name(&record.data().ptrdname().to_string()));
    four.chain(six).chain(names).collect()
}

/// Returns a name that a host can have: what else an address's owner may write there is not for a client to be told.
fn host_name(text: &str) -> Option<Record> {
    let text = text.trim_end_matches('.');
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    (!text.is_empty() && text.bytes().all(fits)).then(|| Record::Name(text.to_owned()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use domain::base::Ttl;
    use domain::rdata::Cname;

    /// Answers a query with these addresses behind an alias, and with a record that is another name's.
    pub(in crate::resolve) fn answer(query: &[u8], addresses: &[IpAddr]) -> Vec<u8> {
        let query = Message::from_octets(query).unwrap();
        let question = query.sole_question().unwrap();
        let mut answer = MessageBuilder::new_vec().start_answer(&query, Rcode::NOERROR).unwrap();
        let (alias, other) = (name("alias.test"), name("other.test"));
        answer.push((question.qname(), Ttl::HOUR, Cname::new(alias.clone()))).unwrap();
        answer.push((other, Ttl::HOUR, A::from_octets(6, 6, 6, 6))).unwrap();
        for address in addresses {
            match (address, question.qtype()) {
                (IpAddr::V4(ip), Rtype::A) => answer.push((&alias, Ttl::HOUR, A::new(*ip))).unwrap(),
                (IpAddr::V6(ip), Rtype::AAAA) => answer.push((&alias, Ttl::HOUR, Aaaa::new(*ip))).unwrap(),
                (_, Rtype::PTR) => answer.push((&alias, Ttl::HOUR, Ptr::new(name("host.test")))).unwrap(),
                _ => {}
            }
        }
        answer.finish()
    }

    /// Answers a query with nothing but a code.
    pub(in crate::resolve) fn refuse(query: &[u8], code: Rcode, cut: bool) -> Vec<u8> {
        let query = Message::from_octets(query).unwrap();
        let mut answer = MessageBuilder::new_vec().start_answer(&query, code).unwrap();
        answer.header_mut().set_tc(cut);
        answer.finish()
    }

    fn both(text: &str) -> [Query; 2] {
        addresses_of(text).unwrap().try_into().unwrap()
    }

    fn name(text: &str) -> Name<Vec<u8>> {
        Name::from_str(text).unwrap()
    }

    #[test]
    fn an_alias_is_followed_and_another_names_address_is_not_taken() {
        let [four, six] = both("www.test");
        let there: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(
            hear(&four, &answer(four.as_slice(), &there)),
            Heard::Found(vec![Record::Address(there[0])])
        );
        assert_eq!(
            hear(&six, &answer(six.as_slice(), &there)),
            Heard::Found(vec![Record::Address(there[1])])
        );
    }

    #[test]
    fn an_answer_to_another_question_is_a_strangers() {
        let [four, six] = both("www.test");
        let right = answer(four.as_slice(), &[]);
        assert_eq!(hear(&six, &right), Heard::Stranger, "another number and family");
        assert_eq!(hear(&both("ww.test")[0], &right), Heard::Stranger);
        assert_eq!(hear(&four, four.as_slice()), Heard::Stranger, "its own question");
        for length in 0..right.len() {
            // Cut anywhere, it is a stranger's or has no address.
            assert!(matches!(hear(&four, &right[..length]), Heard::Stranger | Heard::Found(_)), "{length}");
        }
        let mut guessed = right;
        guessed[0] ^= 1;
        assert_eq!(hear(&four, &guessed), Heard::Stranger);
    }

    #[test]
    fn codes_are_told_apart_and_endless_names_are_not_asked_for() {
        let [four, _] = both("www.test");
        assert_eq!(hear(&four, &refuse(four.as_slice(), Rcode::NXDOMAIN, false)), Heard::NoName);
        assert_eq!(
            hear(&four, &refuse(four.as_slice(), Rcode::SERVFAIL, false)),
            Heard::Failed(Rcode::SERVFAIL)
        );
        assert_eq!(hear(&four, &refuse(four.as_slice(), Rcode::NOERROR, true)), Heard::Cut);
        for name in ["a..b", &"a".repeat(64), &"a.".repeat(128)] {
            assert!(addresses_of(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_addresss_name_is_taken_when_a_host_can_have_it() {
        let [query] = <[Query; 1]>::try_from(name_of("192.0.2.7".parse().unwrap()).unwrap()).unwrap();
        assert_eq!(query.sole_question().unwrap().qname().to_string(), "7.2.0.192.in-addr.arpa");
        let there = ["192.0.2.7".parse().unwrap()];
        let said = hear(&query, &answer(query.as_slice(), &there));
        assert_eq!(said, Heard::Found(vec![Record::Name("host.test".to_owned())]));
        assert_eq!(host_name("a-b_c.test."), Some(Record::Name("a-b_c.test".to_owned())));
        for text in ["", ".", "a b.test", "a\\000.test", "\u{e9}.test"] {
            assert_eq!(host_name(text), None, "{text:?}");
        }
    }
}
