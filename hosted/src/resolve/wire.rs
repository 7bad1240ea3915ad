//! A question to a name server and what it answers (RFC 1035 §4), in the types of the `domain` crate.

use core::net::IpAddr;
use core::str::FromStr;
use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::{A, Aaaa};

/// The largest answer that is taken in one datagram, in octets: what passes most paths in one piece.
const DATAGRAM: u16 = 1_232;

/// A question that can be told from others by its number and its words.
pub(super) type Query = Message<Vec<u8>>;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is no answer to this question.
    Stranger,
    /// The addresses of the name; none when it has none of this family.
    Addresses(Vec<IpAddr>),
    /// Nobody has this name.
    NoName,
    /// The answer is longer than a datagram.
    Cut,
    /// The server could not or would not say.
    Failed(Rcode),
}

/// Returns the two questions for a name, IPv4 and IPv6, with numbers that cannot be guessed.
pub(super) fn queries(name: &str) -> Result<[Query; 2], String> {
    let wrong = |_| format!("{name} is no name that a name server can be asked for");
    let qname = Name::<Vec<u8>>::from_str(name).map_err(wrong)?;
    let query = |rtype| -> Result<Query, String> {
        let mut id = [0; 2];
        getrandom::fill(&mut id).map_err(|error| error.to_string())?;
        let mut message = MessageBuilder::new_vec();
        message.header_mut().set_id(u16::from_ne_bytes(id));
        message.header_mut().set_rd(true);
        let mut question = message.question();
        question.push((&qname, rtype)).map_err(|error| error.to_string())?;
        let mut rest = question.additional();
        rest.opt(|opt| {
            opt.set_udp_payload_size(DATAGRAM);
            Ok(())
        })
        .map_err(|error| error.to_string())?;
        Ok(rest.into_message())
    };
    Ok([query(Rtype::A)?, query(Rtype::AAAA)?])
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
        Rcode::NOERROR => Heard::Addresses(addresses(&message)),
        Rcode::NXDOMAIN => Heard::NoName,
        other => Heard::Failed(other),
    }
}

/// Returns the addresses at the end of the chain of names; records of other names are nobody's.
fn addresses(message: &Message<&[u8]>) -> Vec<IpAddr> {
    let (Some(name), Ok(answer)) = (message.canonical_name(), message.answer()) else { return Vec::new() };
    let four = answer.limit_to_in::<A>().flatten();
    let four = four.filter(|record| *record.owner() == name).map(|record| IpAddr::V4(record.data().addr()));
    let six = answer.limit_to_in::<Aaaa>().flatten();
    let six = six.filter(|record| *record.owner() == name).map(|record| IpAddr::V6(record.data().addr()));
    four.chain(six).collect()
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

    fn name(text: &str) -> Name<Vec<u8>> {
        Name::from_str(text).unwrap()
    }

    #[test]
    fn an_alias_is_followed_and_another_names_address_is_not_taken() {
        let [four, six] = queries("www.test").unwrap();
        let there: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(hear(&four, &answer(four.as_slice(), &there)), Heard::Addresses(vec![there[0]]));
        assert_eq!(hear(&six, &answer(six.as_slice(), &there)), Heard::Addresses(vec![there[1]]));
    }

    #[test]
    fn an_answer_to_another_question_is_a_strangers() {
        let [four, six] = queries("www.test").unwrap();
        let right = answer(four.as_slice(), &[]);
        assert_eq!(hear(&six, &right), Heard::Stranger, "another number and family");
        assert_eq!(hear(&queries("ww.test").unwrap()[0], &right), Heard::Stranger);
        assert_eq!(hear(&four, four.as_slice()), Heard::Stranger, "its own question");
        for length in 0..right.len() {
            // Cut anywhere, it is a stranger's or has no address.
            assert!(
                matches!(hear(&four, &right[..length]), Heard::Stranger | Heard::Addresses(_)),
                "{length}"
            );
        }
        let mut guessed = right;
        guessed[0] ^= 1;
        assert_eq!(hear(&four, &guessed), Heard::Stranger);
    }

    #[test]
    fn codes_are_told_apart_and_endless_names_are_not_asked_for() {
        let [four, _] = queries("www.test").unwrap();
        assert_eq!(hear(&four, &refuse(four.as_slice(), Rcode::NXDOMAIN, false)), Heard::NoName);
        assert_eq!(
            hear(&four, &refuse(four.as_slice(), Rcode::SERVFAIL, false)),
            Heard::Failed(Rcode::SERVFAIL)
        );
        assert_eq!(hear(&four, &refuse(four.as_slice(), Rcode::NOERROR, true)), Heard::Cut);
        for name in ["a..b", &"a".repeat(64), &"a.".repeat(128)] {
            assert!(queries(name).is_err(), "{name}");
        }
    }
}
