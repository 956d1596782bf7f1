//! The command line of `cargo xtask`, read by hand.
//!
//! The rule: every command stands in [`COMMANDS`] with its help, and the tidy test holds the
//! documents to that table.

/// Name and help of every command.
pub(crate) const COMMANDS: &[(&str, &str)] = &[
    ("up", UP_HELP),
    ("mesh", MESH_HELP),
    ("test", TEST_HELP),
    ("faults", FAULTS_HELP),
    ("bench", BENCH_HELP),
];

const HELP: &str = "\
cargo xtask COMMAND

  up      build everything, start the demo with recorded data, print where to look
  mesh    build everything, start several nodes that show each other's events
  test    every check of the project, with a summary at the end
  faults  kill, stop and reload what runs under load, and hold it to what it acknowledged
  bench   the benches: ring, dispatch, ingest, fractal, soak, pages, streams, alerts, detect or mesh

`cargo xtask COMMAND --help` says more.";

const UP_HELP: &str = "\
cargo xtask up [--port N] [--no-replay] [--no-ui]

Builds the host and its plugins in release, starts the demo on 127.0.0.1, replays recorded
series into it as if they happened now, and prints the addresses. Ctrl-C stops all of it.

  --port N      listen there instead of 8080 (DASHBOARD_PORT does the same)
  --no-replay   start with no events; post your own
  --no-ui       do not build the web dashboard even where Node.js is installed";

const MESH_HELP: &str = "\
cargo xtask mesh [--nodes N] [--port N] [--no-ui]

Builds as `up` does and starts several nodes on 127.0.0.1 that form a mesh with a key of its own,
each with a recorded series that the others see too. Their meshes listen on ports 8091 and up.
Ctrl-C stops all of it.

  --nodes N     how many, 2 to 16; 5 when not given
  --port N      port of the first dashboard; 8080 when not given
  --no-ui       do not build the web dashboard even where Node.js is installed";

const TEST_HELP: &str = "\
cargo xtask test [--only STEP]... [--list]

Installs what is missing where it may (as root on Debian or Ubuntu) and names it where it may
not, then runs every step and prints a table. Any failure makes the exit status 1.

  --only STEP   run this step alone; may be given several times
  --list        print the steps and leave";

const FAULTS_HELP: &str = "\
cargo xtask faults [--minutes N] [--rounds N] [--seed N] [--only FAULT]

Starts a node under load and does to it what a seed decides: kill-host, end-host, stop-host,
hang-up, kill-plugin, stop-plugin, reload-plugin, restart-plugin; beside that, the plugin kills
itself in the middle of its work. At the end everything that was acknowledged must be there once,
and everything must have had its effect once. A short turn of it is a part of `test`.

  --minutes N   how long; 16 rounds when neither this nor --rounds is given
  --rounds N    how many faults
  --seed N      another order of them; 1 when not given
  --only FAULT  this one alone";

const BENCH_HELP: &str = "\
cargo xtask bench ring|dispatch|ingest|fractal|soak|pages|streams|alerts|detect|mesh

Runs one group of benches in release.

  ring      publishing into the event ring, beside other queues
  dispatch  what an event costs a plugin, on a thread and in a process of its own
  ingest    posting events, one by one and in batches, beside servers that do less
  fractal   the fractal renderers by view and depth, one thread, all threads and the device
  soak      the program under millions of events: memory and latency; SOAK_MILLIONS=50 for more
  pages     what /metrics with 5,000 series and /snapshot with 500 events cost the program
  streams   what a delivery to WebSocket and SSE clients costs, beside other brokers
  alerts    what the plugin anomaly costs, and from a posted value to its alert on the stream
  detect    what a row costs the anomaly detectors, and what they hold
  mesh      how fast events travel between eight nodes, and what one costs";

/// What to do, or what to print.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed {
    /// Print this and leave with success.
    Help(&'static str),
    /// Run this.
    Run(Command),
}

/// A command with its options.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// Build and start the demo.
    Up(UpOptions),
    /// Build and start several nodes.
    Mesh(MeshOptions),
    /// Run the checks.
    Test(TestOptions),
    /// Run the storm of faults.
    Faults(FaultsOptions),
    /// Run one group of benches.
    Bench(String),
}

/// Options of `up`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct UpOptions {
    /// `--port`; the environment and the default come later.
    pub(crate) port: Option<u16>,
    /// `--no-replay`
    pub(crate) no_replay: bool,
    /// `--no-ui`
    pub(crate) no_ui: bool,
}

/// Options of `mesh`.
#[derive(Debug, PartialEq)]
pub(crate) struct MeshOptions {
    /// `--nodes`
    pub(crate) nodes: u16,
    /// `--port`
    pub(crate) port: u16,
    /// `--no-ui`
    pub(crate) no_ui: bool,
}

/// Options of `test`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TestOptions {
    /// Names of the steps to run; all when empty.
    pub(crate) only: Vec<String>,
    /// Print the steps instead of running them.
    pub(crate) list: bool,
}

/// Options of `faults`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FaultsOptions {
    /// `--minutes`
    pub(crate) minutes: Option<u64>,
    /// `--rounds`
    pub(crate) rounds: Option<u64>,
    /// `--seed`
    pub(crate) seed: Option<u64>,
    /// `--only`
    pub(crate) only: Option<String>,
}

/// Reads the arguments that follow `cargo xtask`.
///
/// # Errors
/// A sentence for the user when the arguments are not understood.
pub(crate) fn parse(arguments: &[String]) -> Result<Parsed, String> {
    let Some((command, rest)) = arguments.split_first() else {
        return Ok(Parsed::Help(HELP));
    };
    if matches!(command.as_str(), "help" | "--help" | "-h") {
        return Ok(Parsed::Help(HELP));
    }
    let Some((_, help)) = COMMANDS.iter().find(|(name, _)| name == command) else {
        return Err(format!("`{command}` is not a command of xtask."));
    };
    if rest.iter().any(|a| a == "--help" || a == "-h") {
        return Ok(Parsed::Help(help));
    }
    let mut rest = rest.iter().map(String::as_str);
    let command = match command.as_str() {
        "up" => Command::Up(parse_up(&mut rest)?),
        "mesh" => Command::Mesh(parse_mesh(&mut rest)?),
        "test" => Command::Test(parse_test(&mut rest)?),
        "faults" => Command::Faults(parse_faults(&mut rest)?),
        _ => Command::Bench(parse_bench(&mut rest)?),
    };
    match rest.next() {
        Some(extra) => Err(format!("`{extra}` is one argument too many.")),
        None => Ok(Parsed::Run(command)),
    }
}

fn parse_up<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Result<UpOptions, String> {
    let mut options = UpOptions::default();
    while let Some(argument) = rest.next() {
        match split_value(argument) {
            ("--port", inline) => {
                let value = inline.or_else(|| rest.next()).ok_or("--port wants a number.")?;
                options.port = Some(parse_port(value)?);
            }
            ("--no-replay", None) => options.no_replay = true,
            ("--no-ui", None) => options.no_ui = true,
            _ => return Err(format!("`up` does not know `{argument}`.")),
        }
    }
    Ok(options)
}

fn parse_mesh<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Result<MeshOptions, String> {
    let mut options = MeshOptions { nodes: 5, port: 8080, no_ui: false };
    while let Some(argument) = rest.next() {
        match split_value(argument) {
            ("--nodes", inline) => {
                let value = inline.or_else(|| rest.next()).ok_or("--nodes wants a number.")?;
                options.nodes = match value.parse() {
                    Ok(nodes @ 2..=16) => nodes,
                    _ => return Err(format!("`{value}` is not a number of nodes from 2 to 16.")),
                };
            }
            ("--port", inline) => {
                let value = inline.or_else(|| rest.next()).ok_or("--port wants a number.")?;
                options.port = parse_port(value)?;
            }
            ("--no-ui", None) => options.no_ui = true,
            _ => return Err(format!("`mesh` does not know `{argument}`.")),
        }
    }
    if u32::from(options.port) + u32::from(options.nodes) > u32::from(u16::MAX) {
        return Err(format!(
            "from port {} on there is no room for {} nodes.",
            options.port, options.nodes
        ));
    }
    Ok(options)
}

/// Reads a TCP port that a client can connect to.
///
/// # Errors
/// A sentence when it is not a number from 1 to 65535.
pub(crate) fn parse_port(value: &str) -> Result<u16, String> {
    match value.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("`{value}` is not a port: a number from 1 to 65535 is.")),
    }
}

fn parse_test<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Result<TestOptions, String> {
    let mut options = TestOptions::default();
    while let Some(argument) = rest.next() {
        match split_value(argument) {
            ("--only", inline) => {
                let value = inline.or_else(|| rest.next()).ok_or("--only wants a step.")?;
                options.only.extend(value.split(',').map(str::to_owned));
            }
            ("--list", None) => options.list = true,
            _ => return Err(format!("`test` does not know `{argument}`.")),
        }
    }
    Ok(options)
}

fn parse_faults<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Result<FaultsOptions, String> {
    let mut options = FaultsOptions::default();
    while let Some(argument) = rest.next() {
        let (name, inline) = split_value(argument);
        let mut value = || inline.or_else(|| rest.next()).ok_or(format!("{name} wants a value."));
        let number = |text: &str| {
            text.parse().map_err(|_| format!("`{text}` is not a number that {name} takes."))
        };
        match name {
            "--minutes" => options.minutes = Some(number(value()?)?),
            "--rounds" => options.rounds = Some(number(value()?)?),
            "--seed" => options.seed = Some(number(value()?)?),
            "--only" => options.only = Some(value()?.to_owned()),
            _ => return Err(format!("`faults` does not know `{argument}`.")),
        }
    }
    Ok(options)
}

fn parse_bench<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Result<String, String> {
    match rest.next() {
        Some(name) if crate::bench::GROUPS.contains(&name) => Ok(name.to_owned()),
        Some(name) => Err(format!("`{name}` is not a group of benches.")),
        None => Err(format!("`bench` wants a group: {}.", crate::bench::GROUPS.join(", "))),
    }
}

fn split_value(argument: &str) -> (&str, Option<&str>) {
    match argument.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (argument, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Parsed, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn nothing_and_help_print_the_help() {
        assert_eq!(parsed(""), Ok(Parsed::Help(HELP)));
        assert_eq!(parsed("--help"), Ok(Parsed::Help(HELP)));
        assert_eq!(parsed("up -h"), Ok(Parsed::Help(UP_HELP)));
    }

    #[test]
    fn help_names_every_command() {
        for (name, help) in COMMANDS {
            assert!(HELP.contains(&format!("\n  {name} ")), "{name} is missing from the help");
            assert!(help.starts_with(&format!("cargo xtask {name}")), "{name}: wrong help");
        }
    }

    #[test]
    fn up_takes_its_options_in_both_spellings() {
        let wanted = UpOptions { port: Some(8090), no_replay: true, no_ui: false };
        for line in ["up --port 8090 --no-replay", "up --no-replay --port=8090"] {
            assert_eq!(parsed(line), Ok(Parsed::Run(Command::Up(wanted_copy(&wanted)))));
        }
        fn wanted_copy(o: &UpOptions) -> UpOptions {
            UpOptions { port: o.port, no_replay: o.no_replay, no_ui: o.no_ui }
        }
    }

    #[test]
    fn test_collects_steps() {
        let Ok(Parsed::Run(Command::Test(options))) = parsed("test --only fmt --only=clippy,unit")
        else {
            panic!("not a test command")
        };
        assert_eq!(options.only, ["fmt", "clippy", "unit"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("fly", "fly"),
            ("up --port 0", "`0`"),
            ("up --port", "--port"),
            ("up --prot 1", "--prot"),
            ("faults --minutes", "--minutes"),
            ("faults --seed x", "`x`"),
            ("bench", "ring"),
            ("bench fractals", "fractals"),
            ("bench ring twice", "twice"),
        ] {
            let message = parsed(line).expect_err(line);
            assert!(message.contains(word), "{line}: {message}");
        }
    }

    #[test]
    fn the_help_names_every_group_of_benches() {
        for group in crate::bench::GROUPS {
            assert!(BENCH_HELP.contains(&format!("\n  {group} ")), "{group}");
            assert!(
                HELP.contains(group)
                    && BENCH_HELP.lines().next().is_some_and(|l| l.contains(group))
            );
        }
    }
}
