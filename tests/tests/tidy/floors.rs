//! The floors: which crate may know which.
//!
//! The rule: imports go strictly downwards, never sideways; the host and the plugins share the
//! ABI alone; renderers know nothing of events; only the server knows its HTTP framework.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::{Violation, hold, tree};

/// Floors by folder. A trailing `*` stands for every folder below that has no line of its own.
const FLOORS: &[(&str, u8)] = &[
    ("core/abi", 0),
    ("core/view", 0),
    ("plugins/alerts", 0),
    ("plugins/detect", 0),
    ("plugins/governor", 0),
    ("plugins/mesh", 0),
    ("renderers/fractal", 0),
    ("core/event", 1),
    ("core/ring", 1),
    ("plugins/sdk", 1),
    ("renderers/*", 1),
    ("core/host", 2),
    ("plugins/*", 2),
    ("renderers/backend", 2),
    ("renderers/measure", 2),
    ("core/server", 3),
    ("core/cli", 4),
];
/// Folders beside the floors: they may see everything, and nothing may see them.
const BESIDE: &[&str] = &["tests", "benches", "xtask"];
const BESIDE_FLOOR: u8 = u8::MAX;

/// A member of the workspace.
#[derive(Clone, Debug, Default)]
struct Member {
    name: String,
    folder: String,
    /// Names of what it is built from.
    dependencies: BTreeSet<String>,
    /// Names of what its tests need besides.
    test_dependencies: BTreeSet<String>,
}

impl Member {
    fn floor(&self) -> Option<u8> {
        if BESIDE.contains(&self.folder.as_str()) {
            return Some(BESIDE_FLOOR);
        }
        let exact = FLOORS.iter().find(|(folder, _)| *folder == self.folder);
        let parent = self.folder.rsplit_once('/').map(|(parent, _)| format!("{parent}/*"));
        let general = FLOORS.iter().find(|(folder, _)| Some(*folder) == parent.as_deref());
        exact.or(general).map(|(_, floor)| *floor)
    }
}

/// The members in the order of the root manifest.
fn members() -> Vec<Member> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(tree::root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let by_id: BTreeMap<&str, &Value> =
        packages.iter().filter_map(|package| Some((package["id"].as_str()?, package))).collect();
    let order = metadata["workspace_members"].as_array().expect("a list of members");
    order.iter().filter_map(Value::as_str).map(|id| member(by_id[id])).collect()
}

fn member(package: &Value) -> Member {
    let root = tree::root().to_string_lossy().into_owned();
    let manifest = package["manifest_path"].as_str().expect("every package has a manifest");
    let folder = manifest.trim_start_matches(&root).trim_matches('/');
    let mut member = Member {
        name: package["name"].as_str().expect("every package has a name").to_owned(),
        folder: folder.trim_end_matches("/Cargo.toml").to_owned(),
        ..Member::default()
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let name = dependency["name"].as_str().expect("every dependency has a name").to_owned();
        match dependency["kind"].as_str() {
            Some("dev") => member.test_dependencies.insert(name),
            _ => member.dependencies.insert(name),
        };
    }
    member
}

fn not_downwards(members: &[Member]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in members {
        let Some(floor) = member.floor() else {
            violations.push(Violation::new(&member.folder, "stands on no floor"));
            continue;
        };
        for other in members {
            let known = member.dependencies.contains(&other.name)
                || member.test_dependencies.contains(&other.name);
            let lower = other.floor().is_some_and(|other| other < floor);
            if known && !lower {
                let complaint = format!("may not know {}: imports go downwards", other.name);
                violations.push(Violation::new(&member.folder, complaint));
            }
        }
    }
    violations
}

fn out_of_order(members: &[Member]) -> Vec<Violation> {
    let out_of_order = |pair: &&[Member]| pair[0].floor() > pair[1].floor();
    members
        .windows(2)
        .filter(out_of_order)
        .map(|pair| {
            Violation::new("Cargo.toml", format!("{} stands before a lower floor", pair[0].folder))
        })
        .collect()
}

/// All members that `name` is built from, itself included.
fn closure(members: &[Member], name: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([name.to_owned()]);
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        for member in members.iter().filter(|member| member.name == next) {
            let known = members.iter().filter(|other| member.dependencies.contains(&other.name));
            open.extend(known.map(|m| m.name.clone()).filter(|name| all.insert(name.clone())));
        }
    }
    all
}

fn shared_beyond_abi(members: &[Member]) -> Vec<Violation> {
    let host = closure(members, "shimmer-host");
    let plugins = members.iter().filter(|member| member.folder.starts_with("plugins/"));
    plugins
        .flat_map(|plugin| {
            let shared = closure(members, &plugin.name).into_iter().filter(|n| host.contains(n));
            let folder = plugin.folder.clone();
            shared
                .filter(|name| name != "shimmer-abi")
                .map(move |name| Violation::new(&folder, format!("shares {name} with the host")))
        })
        .collect()
}

fn renderers_that_know_events(members: &[Member]) -> Vec<Violation> {
    let renderers = members.iter().filter(|member| member.folder.starts_with("renderers/"));
    renderers
        .flat_map(|renderer| {
            let names = closure(members, &renderer.name);
            let strangers = members
                .iter()
                .filter(move |m| names.contains(&m.name) && !m.folder.starts_with("renderers/"));
            strangers.map(|m| Violation::new(&renderer.folder, format!("knows {}", m.name)))
        })
        .collect()
}

fn framework_beyond_the_server(members: &[Member]) -> Vec<Violation> {
    let is_framework = |name: &String| name == "salvo" || name.starts_with("salvo-");
    members
        .iter()
        .filter(|m| m.folder != "core/server" && !BESIDE.contains(&m.folder.as_str()))
        .filter(|m| m.dependencies.iter().chain(&m.test_dependencies).any(is_framework))
        .map(|m| Violation::new(&m.folder, "knows salvo, which only the server may"))
        .collect()
}

#[test]
fn imports_go_strictly_downwards() {
    hold(&not_downwards(&members()));
}

#[test]
fn members_stand_in_floor_order() {
    hold(&out_of_order(&members()));
}

#[test]
fn host_and_plugins_share_the_abi_alone() {
    hold(&shared_beyond_abi(&members()));
}

#[test]
fn renderers_know_nothing_of_events() {
    hold(&renderers_that_know_events(&members()));
}

#[test]
fn only_the_server_knows_its_framework() {
    hold(&framework_beyond_the_server(&members()));
}

mod samples {
    use super::*;

    fn sample(folder: &str, dependencies: &[&str]) -> Member {
        Member {
            name: format!("shimmer-{}", folder.rsplit('/').next().expect("a last part")),
            folder: folder.to_owned(),
            dependencies: dependencies.iter().map(|d| (*d).to_owned()).collect(),
            ..Member::default()
        }
    }

    #[test]
    fn the_workspace_is_seen() {
        let members = members();
        let server = members.iter().find(|m| m.folder == "core/server").expect("the server");
        assert!(server.dependencies.contains("shimmer-host"), "{server:?}");
    }

    #[test]
    fn upwards_sideways_and_homeless_are_found() {
        let ring = sample("core/ring", &[]);
        let up = [sample("core/abi", &["shimmer-ring"]), ring.clone()];
        let sideways = [sample("core/event", &["shimmer-ring"]), ring.clone()];
        let mut tested = sample("core/event", &[]);
        tested.test_dependencies.insert("shimmer-ring".to_owned());
        let homeless = [sample("attic/box", &[])];
        for members in [&up[..], &sideways[..], &[tested, ring], &homeless[..]] {
            assert_eq!(not_downwards(members).len(), 1, "{members:?}");
        }
    }

    #[test]
    fn a_crate_beside_the_floors_is_known_by_none() {
        let members = [sample("core/cli", &["shimmer-benches"]), sample("benches", &[])];
        assert_eq!(not_downwards(&members).len(), 1);
        let members = [sample("benches", &["shimmer-cli"]), sample("core/cli", &[])];
        assert_eq!(not_downwards(&members), []);
    }

    #[test]
    fn a_wrong_order_is_found() {
        let members = [sample("core/ring", &[]), sample("core/abi", &[])];
        assert_eq!(out_of_order(&members).len(), 1);
    }

    #[test]
    fn what_a_plugin_shares_through_another_crate_is_found() {
        let members = [
            sample("core/event", &[]),
            sample("core/host", &["shimmer-event"]),
            sample("plugins/sdk", &["shimmer-event"]),
            sample("plugins/anomaly", &["shimmer-sdk"]),
        ];
        assert_eq!(shared_beyond_abi(&members).len(), 2);
    }

    #[test]
    fn a_renderer_that_knows_the_ring_is_found() {
        let members = [sample("core/ring", &[]), sample("renderers/cpu", &["shimmer-ring"])];
        assert_eq!(renderers_that_know_events(&members).len(), 1);
    }

    #[test]
    fn the_framework_elsewhere_is_found() {
        let members = [sample("core/cli", &["salvo"]), sample("core/server", &["salvo"])];
        assert_eq!(framework_beyond_the_server(&members).len(), 1);
    }
}
