//! Which votes are taken, and in which order they are refused.
//!
//! The rule: unknown, malformed, not signed, not now, no power, twice.

use shimmer_governor::{Bytes, Choice, MemberKey, Refusal, Split, State, Vote};

use crate::dao::{CONFIG, Dao, secret};

fn split(shares: &[(usize, f64)]) -> Choice {
    Choice::Split(Split::new(shares).expect("a split"))
}

/// Member 1 may vote, 2 has no power, 3 came too late, 4 was revoked before and 5 after the vote began.
fn dao(changes: &str) -> (Dao, String) {
    let mut dao = Dao::new(CONFIG);
    for (member, stake) in [(1, 10), (2, 0), (4, 10), (5, 10)] {
        dao.member(member, stake);
    }
    let id = dao.propose(changes);
    dao.to(4.0);
    dao.revoke(4).expect("a member");
    dao.to(5.0);
    dao.member(3, 10);
    dao.revoke(5).expect("a member");
    (dao, id)
}

#[test]
fn refusals_come_in_their_order() {
    let (mut dao, id) = dao("{}");
    let mut good = dao.ballot(&id, Choice::For).sign(&secret(1));
    assert_eq!(dao.cast("p0", &good), Err(Refusal::UnknownProposal));
    // Every vote from here on has all the faults of those after it, and is refused for its first.
    let shape = |dao: &mut Dao, body: &str| match dao.cast_body(&id, body.as_bytes()) {
        Err(Refusal::Malformed(_)) => {}
        other => panic!("{body}: {other:?}"),
    };
    shape(&mut dao, "{}");
    good.ballot.dao = "other".parse().expect("an id");
    good.ballot.proposal = "p9-other".parse().expect("an id");
    good.voter = secret(9).key().bytes();
    shape(&mut dao, &good.to_json().replace("\"for\"", "\"maybe\""));
    good.ballot.choice = split(&[(0, 1.0)]);
    shape(&mut dao, &good.to_json());
    good.ballot.choice = Choice::For;
    assert_eq!(dao.cast(&id, &good), Err(Refusal::WrongDao));
    good.ballot.dao = "test".parse().expect("an id");
    assert_eq!(dao.cast(&id, &good), Err(Refusal::WrongProposal));
    good.ballot.proposal = id.parse().expect("an id");
    assert_eq!(dao.cast(&id, &good), Err(Refusal::UnknownVoter));
    good.voter = secret(3).key().bytes();
    assert_eq!(dao.cast(&id, &good), Err(Refusal::BadSignature));
    // Signed, but over before the power is looked at.
    let no_power = dao.ballot(&id, Choice::For).sign(&secret(3));
    let mut over = dao.clone();
    over.to(21.0);
    assert_eq!(over.cast(&id, &no_power), Err(Refusal::WrongState(State::Defeated)));
    for voter in [2, 3, 4] {
        assert_eq!(dao.vote(voter, &id, Choice::For), Err(Refusal::NoPower), "{voter}");
    }
    assert_eq!(dao.vote(5, &id, Choice::For), Ok(10.0), "revoked after the vote began");
    assert_eq!(dao.vote(1, &id, Choice::For), Ok(10.0));
    assert_eq!(dao.vote(1, &id, Choice::For), Err(Refusal::AlreadyVoted));
    let statuses = [
        (Refusal::UnknownProposal, 404),
        (Refusal::Malformed(String::new()), 400),
        (Refusal::WrongDao, 403),
        (Refusal::WrongProposal, 403),
        (Refusal::UnknownVoter, 403),
        (Refusal::BadSignature, 403),
        (Refusal::WrongState(State::Defeated), 409),
        (Refusal::NoPower, 403),
        (Refusal::AlreadyVoted, 409),
    ];
    assert!(statuses.iter().all(|(refusal, status)| refusal.status() == *status));
}

#[test]
fn a_signature_is_for_one_vote() {
    let (mut dao, id) = dao("{}");
    let other = dao.propose("{}");
    dao.to(9.5);
    let vote = dao.ballot(&id, Choice::For).sign(&secret(1));
    assert_eq!(dao.cast(&other, &vote), Err(Refusal::WrongProposal), "replayed elsewhere");
    let moved = |change: fn(&mut Vote)| {
        let mut vote = vote.clone();
        change(&mut vote);
        vote
    };
    let against = moved(|vote| vote.ballot.choice = Choice::Against);
    let nonce = moved(|vote| vote.ballot.nonce += 1);
    let bit = moved(|vote| vote.signature.0[3] ^= 1);
    let zero = moved(|vote| vote.signature = Bytes([0; 64]));
    for (what, bad) in [("choice", against), ("nonce", nonce), ("bit", bit), ("zero", zero)] {
        assert_eq!(dao.cast(&id, &bad), Err(Refusal::BadSignature), "{what}");
    }
    let other_key = moved(|vote| vote.voter = secret(5).key().bytes());
    assert_eq!(dao.cast(&id, &other_key), Err(Refusal::BadSignature));
    assert_eq!(dao.cast(&id, &vote), Ok(10.0));
    assert_eq!(dao.cast(&id, &vote), Err(Refusal::AlreadyVoted), "replayed");
}

/// s + L is a second text of the same signature; a lenient reader would take it.
#[test]
fn a_signature_has_one_text() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (mut dao, id) = dao("{}");
    let mut vote = dao.ballot(&id, Choice::For).sign(&secret(1));
    let mut carry = 0;
    for (digit, order) in vote.signature.0[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*digit) + u16::from(order) + carry;
        (*digit, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_eq!(carry, 0);
    assert_eq!(dao.cast(&id, &vote), Err(Refusal::BadSignature));
}

/// With R = 0 and s = k a an honest key signs in a way that RFC 8032 alone would take, and batches of signatures
/// would not: two readers, two logs.
#[test]
fn a_signature_with_r_of_small_order_is_refused() {
    use curve25519_dalek::scalar::Scalar;
    use ed25519_dalek::{SigningKey, Verifier as _};
    use sha2::{Digest as _, Sha512};

    let (mut dao, id) = dao("{}");
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&1_u32.to_be_bytes());
    let key = SigningKey::from_bytes(&bytes);
    let mut vote = dao.ballot(&id, Choice::For).sign(&secret(1));
    assert_eq!(vote.voter.0, key.verifying_key().to_bytes());
    let mut r = [0; 32];
    r[0] = 1;
    let text = vote.signed_bytes();
    let hash =
        Sha512::new().chain_update(r).chain_update(vote.voter.0).chain_update(&text).finalize();
    let s = Scalar::from_bytes_mod_order_wide(&hash.into()) * key.to_scalar();
    vote.signature.0[..32].copy_from_slice(&r);
    vote.signature.0[32..].copy_from_slice(s.as_bytes());
    let lenient = ed25519_dalek::Signature::from_bytes(&vote.signature.0);
    assert!(key.verifying_key().verify(&text, &lenient).is_ok(), "else this tests nothing");
    assert_eq!(dao.cast(&id, &vote), Err(Refusal::BadSignature));
}

/// With a key of small order one signature verifies for every text; such a key never becomes a member's.
#[test]
fn keys_of_small_order_are_nobodys() {
    let orders = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    let (mut dao, id) = dao("{}");
    for text in orders {
        assert!(text.parse::<MemberKey>().is_err(), "{text}");
        let mut vote = dao.ballot(&id, Choice::For).sign(&secret(1));
        vote.voter = text.parse().expect("hex");
        // R is the neutral point and s is zero.
        vote.signature = Bytes([0; 64]);
        vote.signature.0[0] = 1;
        assert_eq!(dao.cast(&id, &vote), Err(Refusal::UnknownVoter), "{text}");
    }
    // As R of an honest member it is refused as well.
    let mut vote = dao.ballot(&id, Choice::For).sign(&secret(1));
    vote.signature.0[..32].copy_from_slice(&[0; 32]);
    assert_eq!(dao.cast(&id, &vote), Err(Refusal::BadSignature));
}

/// The first line of what is signed keeps the key's other signatures from being votes.
#[test]
fn another_domain_is_another_signature() {
    use ed25519_dalek::{Signer as _, SigningKey};

    let key = SigningKey::from_bytes(&[9; 32]);
    let (mut dao, _) = dao("{}");
    let name = "nine".parse().expect("a name");
    let key_text: MemberKey = hex::encode(key.verifying_key().to_bytes()).parse().expect("a key");
    let stake = shimmer_governor::Stake::new(1).expect("a stake");
    let put = shimmer_governor::MemberPut { key: key_text, name, stake };
    dao.submit(&shimmer_governor::Command::PutMember(put)).expect("a member");
    let id = dao.propose("{}");
    dao.to(10.0);
    let mut vote = dao.ballot(&id, Choice::For).sign(&secret(1));
    vote.voter = key_text.bytes();
    let right = vote.signed_bytes();
    let body = right.split(|byte| *byte == b'\n').nth(1).expect("a body").to_vec();
    for domain in [
        "",
        "shimmer-dao-vote-v1",
        "shimmer-dao-vote-v2\n",
        "shimmer-gossip-v1\n",
        "shimmer-dao-vote-v1\r\n",
    ] {
        let text = [domain.as_bytes(), &body].concat();
        vote.signature = Bytes(key.sign(&text).to_bytes());
        assert_eq!(dao.cast(&id, &vote), Err(Refusal::BadSignature), "{domain:?}");
    }
    vote.signature = Bytes(key.sign(&right).to_bytes());
    assert_eq!(dao.cast(&id, &vote), Ok(1.0));
}

#[test]
fn several_options_take_splits() {
    let (mut dao, id) = dao(r#"{"options":[0.1,0.2,0.3]}"#);
    for wrong in [Choice::For, Choice::Against, split(&[(3, 1.0)]), split(&[(0, 1.0), (31, 1.0)])] {
        let refused = dao.vote(1, &id, wrong.clone());
        assert!(matches!(refused, Err(Refusal::Malformed(_))), "{wrong:?}: {refused:?}");
    }
    assert_eq!(dao.vote(1, &id, split(&[(0, 3.0), (2, 1.0)])), Ok(10.0));
    assert_eq!(dao.vote(5, &id, Choice::Abstain), Ok(10.0));
    let shown = dao.shown(&id);
    assert_eq!(shown["tallies"], serde_json::json!([7.5, 0, 2.5]));
    assert_eq!(
        (&shown["winner"], &shown["for"], &shown["abstain"]),
        (&0.into(), &10.into(), &10.into())
    );
}

#[test]
fn stakes_count_as_they_were_when_the_vote_began() {
    let mut dao = Dao::new(CONFIG);
    dao.member(1, 10);
    dao.member(2, 20);
    let id = dao.propose("{}");
    dao.to(2.0).member(1, 11);
    assert_eq!(dao.view(&id).total_power.as_f64(), 31.0, "before the start it is what holds now");
    dao.to(4.0).member(1, 12);
    dao.to(4.5).member(1, 1_000);
    dao.member(3, 1_000);
    dao.revoke(2).expect("a member");
    assert_eq!(dao.view(&id).total_power.as_f64(), 32.0);
    assert_eq!(dao.vote(1, &id, Choice::For), Ok(12.0));
    assert_eq!(dao.vote(2, &id, Choice::Against), Ok(20.0));
    dao.restart();
    assert_eq!(dao.vote(3, &id, Choice::For), Err(Refusal::NoPower));
    assert_eq!(dao.view(&id).total_power.as_f64(), 32.0);
}

#[test]
fn powers_are_those_of_the_strategy() {
    for (strategy, power, total) in [
        (r#"{"strategy":"member"}"#, 1.0, 3.0),
        (r#"{"strategy":"stake"}"#, 2.0, 27.0),
        (r#"{"strategy":"quadratic"}"#, 2_f64.sqrt(), 2_f64.sqrt() + 7.0),
        (r#"{"strategy":"quadratic","options":[0.1,0.2]}"#, 2.0, 27.0),
        (r#"{"strategy":"conviction","alpha":0.9,"step_s":1}"#, 2.0, 27.0),
    ] {
        let mut dao = Dao::new(CONFIG);
        for (member, stake) in [(1, 2), (2, 9), (3, 16)] {
            dao.member(member, stake);
        }
        let id = dao.propose(strategy);
        dao.to(5.0);
        let several = strategy.contains("options");
        let choice = if several { split(&[(1, 1.0)]) } else { Choice::For };
        assert_eq!(dao.vote(1, &id, choice), Ok(power), "{strategy}");
        let shown = dao.view(&id).total_power.as_f64();
        assert!((shown - total).abs() < 1e-12, "{strategy}: {shown}");
    }
}

#[test]
fn conviction_grows_while_a_vote_stands() {
    let mut dao = Dao::new(CONFIG);
    dao.member(1, 15_000);
    dao.member(2, 15_000);
    let id = dao.propose(r#"{"strategy":"conviction","alpha":0.9,"step_s":2,"period_s":100}"#);
    assert_eq!(dao.shown(&id)["conviction"], 0);
    dao.to(5.0);
    assert_eq!(dao.vote(1, &id, Choice::For), Ok(15_000.0));
    assert_eq!(dao.vote(2, &id, Choice::Against), Ok(15_000.0));
    for (s, conviction) in [(6.999, 0.0), (7.0, 15_000.0), (9.0, 28_500.0), (25.0, 97_698.0)] {
        dao.to(s);
        let shown = dao.view(&id).conviction.expect("a conviction").as_f64();
        assert_eq!(shown.round(), conviction, "{s}");
    }
    dao.to(104.0);
    let last = dao.view(&id).conviction;
    dao.to(500.0).member(3, 1);
    assert_eq!(dao.view(&id).conviction, last, "it ends with the vote");
    assert_eq!(
        dao.shown(&dao.governor.clone().proposals(dao.now).next().expect("one").id)["state"],
        "defeated"
    );
}
