//! `shimmer dao`: keys, proposals, votes, and the proof of a log.
//!
//! The rule: a member needs nothing but this program. Secrets are read and written here, and go nowhere.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use shimmer_governor::{Ballot, Choice, Hash, MAX_VOTE_BYTES, Secret, Split, verify};

use crate::args::{BallotArgs, ChoiceArg, DaoCommand, ProposeArgs, VoteArgs};
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::terminal::safe;

/// Runs `shimmer dao`.
pub(crate) fn dispatch(command: DaoCommand) -> Outcome {
    let mut out = std::io::stdout().lock();
    match command {
        DaoCommand::Keygen { file } => {
            Ok(writeln!(out, "{}", Secret::generate(&file).map_err(anyhow::Error::from)?.key())?)
        }
        DaoCommand::Member { key, name, stake, remote } => {
            let path = format!("/dao/members/{}", segment(&key)?);
            let body = json!({ "name": name, "stake": stake }).to_string();
            let answer = Client::with_token(&remote)?.put_body(&path, body.as_bytes())?.ok()?;
            Ok(writeln!(out, "{}", safe(&answer.text()))?)
        }
        DaoCommand::Propose(args) => propose(&args),
        DaoCommand::Vote(args) => vote(&args),
        DaoCommand::Sign { proposal, dao, ballot } => {
            Ok(writeln!(out, "{}", signed(&proposal, &dao, &ballot)?)?)
        }
        DaoCommand::Weights { json, remote } => {
            let weights = Client::open(&remote)?.get("/dao/weights")?.ok()?.json()?;
            Ok(out.write_all(shown(&weights, json).as_bytes())?)
        }
        DaoCommand::Verify { log, head } => prove(&log, head.as_deref()),
    }
}

fn propose(args: &ProposeArgs) -> Outcome {
    let strategy = args.strategy.to_possible_value().map(|value| value.get_name().to_owned());
    let mut body = json!({
        "title": args.title,
        "source": args.source,
        "options": args.options,
        "strategy": strategy,
        "delay_s": args.delay_s,
        "period_s": args.period_s,
        "quorum": args.quorum,
        "timelock_s": args.timelock_s,
        "extension_s": args.extension_s,
        "grace_s": args.grace_s,
    });
    for (name, value) in [("alpha", args.alpha), ("step_s", args.step_s)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    let client = Client::with_token(&args.remote)?;
    let body = body.to_string();
    let made = client.post_body("/dao/proposals", "application/json", body.as_bytes())?.ok()?;
    let id = made.json()?["id"].as_str().map(safe).context("the node named no id")?;
    Ok(writeln!(std::io::stdout(), "{id}")?)
}

fn vote(args: &VoteArgs) -> Outcome {
    let client = Client::with_token(&args.remote)?;
    let body = match &args.signed {
        Some(file) => {
            let mut body = String::new();
            let read = input(file)?.take(MAX_VOTE_BYTES as u64 + 1).read_to_string(&mut body);
            read.with_context(|| format!("{} cannot be read", file.display()))?;
            body
        }
        None => signed(&args.proposal, &dao_id(&client)?, &args.ballot)?,
    };
    let path = format!("/dao/proposals/{}/votes", segment(&args.proposal)?);
    let answer = client.post_body(&path, "application/json", body.trim().as_bytes())?.ok()?;
    let answer = answer.json()?;
    let (power, forwarded) = (&answer["power"], answer["forwarded"] == true);
    let told = match forwarded {
        true if power.is_null() => "handed on to the writer, which decides".to_owned(),
        true => format!("handed on to the writer, where it counts with a power of {power}"),
        false => format!("counted with a power of {power}"),
    };
    Ok(writeln!(std::io::stdout(), "{told}")?)
}

/// What the DAO is called, by the first entry of its log.
fn dao_id(client: &Client) -> anyhow::Result<String> {
    let log = client.get("/dao/audit?since=0&limit=1")?.ok()?.json()?;
    let id = log["entries"][0]["data"]["id"].as_str().map(str::to_owned);
    id.context("the node's log does not say what the DAO is called")
}

/// The vote as it is posted.
fn signed(proposal: &str, dao: &str, args: &BallotArgs) -> Result<String, Failure> {
    let usage = |what: &str, why: String| Failure::Usage(format!("{what}: {why}"));
    let file = args.key.as_deref().ok_or_else(|| usage("--key", "is needed".to_owned()))?;
    let choice = match (&args.split, args.choice) {
        (Some(split), _) => Choice::Split(split_of(split).map_err(|why| usage("--split", why))?),
        (None, Some(ChoiceArg::For)) => Choice::For,
        (None, Some(ChoiceArg::Against)) => Choice::Against,
        (None, Some(ChoiceArg::Abstain)) => Choice::Abstain,
        (None, None) => return Err(usage("CHOICE", "for, against, abstain or --split".to_owned())),
    };
    let ballot = Ballot {
        dao: dao.parse().map_err(|why| usage("--dao", why))?,
        proposal: proposal.parse().map_err(|why| usage("PROPOSAL", why))?,
        nonce: args.nonce.unwrap_or_else(millis),
        choice,
    };
    Ok(ballot.sign(&Secret::read(file).map_err(anyhow::Error::from)?).to_json())
}

fn split_of(text: &str) -> Result<Split, String> {
    let shares: Result<Vec<(usize, f64)>, String> = text
        .split(',')
        .map(|part| {
            let pair = part.split_once('=').and_then(|(index, share)| {
                Some((index.trim().parse().ok()?, share.trim().parse().ok()?))
            });
            pair.ok_or_else(|| format!("`{part}` is not INDEX=SHARE"))
        })
        .collect();
    Split::new(&shares?)
}

fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// Text that stands between two slashes of a path.
fn segment(text: &str) -> Result<&str, Failure> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !text.is_empty() && text.bytes().all(plain) {
        return Ok(text);
    }
    Err(Failure::Usage(format!("`{}` is no id of a proposal and no key", safe(text))))
}

fn shown(weights: &Value, json: bool) -> String {
    if json {
        return format!("{weights:#}\n");
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), safe);
    let mut out = format!(
        "version {} since {}\nhash {}\n",
        text(&weights["version"]),
        text(&weights["effective_at"]),
        text(&weights["hash"])
    );
    if let Some(average) = weights["weighted_avg"].as_f64() {
        out.push_str(&format!("weighted average {average:.6}\n"));
    }
    let by_source: Vec<_> = weights["weights"].as_object().into_iter().flatten().collect();
    if by_source.is_empty() {
        out.push_str("every source has the default weight\n");
    }
    for (source, weight) in by_source {
        out.push_str(&format!("{:>8}  {}\n", text(weight), safe(source)));
    }
    out
}

fn prove(log: &Path, head: Option<&str>) -> Outcome {
    let wanted = head.map(str::parse::<Hash>).transpose();
    let wanted = wanted.map_err(|why| Failure::Usage(format!("--head: {why}")))?;
    let proved = verify(input(log)?).map_err(|bad| anyhow!("{}: {bad}", log.display()))?;
    if proved.entries == 0 {
        return Err(
            anyhow!("{}: no entry; a log begins with the one of its DAO", log.display()).into()
        );
    }
    if wanted.is_some_and(|wanted| wanted != proved.hash) {
        let told = format!(
            "{}: line {}: the log ends here, with another hash than --head; entries are missing, or it is another log",
            log.display(),
            proved.entries
        );
        return Err(anyhow!(told).into());
    }
    Ok(writeln!(std::io::stdout(), "ok: {} entries, head {}", proved.entries, proved.hash)?)
}

fn input(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened =
        File::open(file).with_context(|| format!("{} cannot be opened", file.display()))?;
    if opened.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("{} is a folder", file.display());
    }
    Ok(Box::new(BufReader::new(opened)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_pairs() {
        let expected = Split::new(&[(0, 2.0), (2, 1.5)]).expect("a split");
        assert_eq!(split_of("0=2, 2=1.5"), Ok(expected));
        for bad in ["", "0", "0=", "=1", "0=1,0=2", "0=-1", "0=1,", "a=1"] {
            assert!(split_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_not_made_of_anything() {
        assert!(segment("p4-56b85ccd3ddb4be3").is_ok());
        for bad in ["", "a/b", "a?b", "..%2f", "a b"] {
            assert!(segment(bad).is_err(), "{bad}");
        }
    }
}
