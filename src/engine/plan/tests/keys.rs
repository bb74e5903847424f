//! Edits that change a key, and edits that do not.

use contract::{Device, Precision};
use serde_json::json;

use super::*;

#[test]
fn golden_action_and_content_key() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let first = stages.add("first", json!({"epochs": 6, "layers": [{"conv": 32}]}), &[]);
    let second = stages.add("second", json!({"rate": 1e-4}), &[("train", first)]);
    let plan = fixture.plan(&stages);
    assert_eq!(
        String::from_utf8(plan.action(first).fingerprint.canonical_bytes()).unwrap(),
        concat!(
            r#"{"device":"cpu","format":1,"inputs":{},"kind":"alpha","#,
            r#""params":{"epochs":6,"layers":[{"conv":32}],"rate":0.5},"processor":"test","seed":42,"version":3}"#
        )
    );
    assert_eq!(
        plan.action(second).action_key.to_string(),
        "80d15976c7f4dafdddcf4efbbe5a42e70ad57c3495e09e41af764b0af17add26"
    );
    let inputs = BTreeMap::from([("train".into(), vec![Digest::derive("test", b"")])]);
    assert_eq!(
        content_key(&stages.0, plan.action(second), &inputs)
            .0
            .to_string(),
        "ef3b72191b0c4ab0b9911bf1f70a2c123813acdb7bbeee444807b315c060dae6"
    );
}

#[test]
fn params_order_does_not_invalidate() {
    let fixture = Fixture::new();
    let [a, b] = [
        r#"{"x": {"p": 1, "q": 2}, "y": 3}"#,
        r#"{"y": 3, "x": {"q": 2, "p": 1}}"#,
    ]
    .map(|text| fixture.key_of(serde_json::from_str(text).unwrap()));
    assert_eq!(a, b);
}

#[test]
fn list_order_invalidates() {
    let fixture = Fixture::new();
    assert_ne!(
        fixture.key_of(json!({"x": [1, 2]})),
        fixture.key_of(json!({"x": [2, 1]}))
    );
}

#[test]
fn default_spelled_out_does_not_invalidate() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.key_of(json!({})),
        fixture.key_of(json!({"rate": 0.5}))
    );
    assert_ne!(
        fixture.key_of(json!({})),
        fixture.key_of(json!({"rate": 0.25}))
    );
}

#[test]
fn name_and_resources_do_not_invalidate() {
    assert!(!invalidates(|stage| stage.name.stage = "other".into()));
    assert!(!invalidates(
        |stage| stage.name.axes = vec![("model".into(), "m1".into())]
    ));
    assert!(!invalidates(|stage| stage.resources = Resources {
        cpus: Some(8),
        gpus: Some(1),
        gpu_memory: Some(1 << 30),
        memory: Some(1 << 30)
    }));
}

#[test]
fn position_does_not_invalidate() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    stages.add("other", json!({"x": 1}), &[]);
    let node = stages.add("stage", json!({"x": 2}), &[]);
    assert_eq!(fixture.key(&stages, node), fixture.key_of(json!({"x": 2})));
}

#[test]
fn params_invalidate() {
    assert!(invalidates(
        |stage| stage.stage = Box::new(Fake(json!({"epochs": 7})))
    ));
}

#[test]
fn number_type_invalidates() {
    let fixture = Fixture::new();
    assert_ne!(
        fixture.key_of(json!({"x": 1})),
        fixture.key_of(json!({"x": 1.0}))
    );
}

#[test]
fn seed_version_kind_and_device_invalidate() {
    assert!(invalidates(|stage| stage.seed = 43));
    assert!(invalidates(|stage| stage.kind = ALPHA_4));
    assert!(invalidates(|stage| stage.kind = BETA));
    assert!(invalidates(|stage| stage.device = Device::Cuda {
        precision: Precision::default()
    }));
}

#[test]
fn role_port_and_input_order_invalidate() {
    let fixture = Fixture::new();
    let key = |roles: [&str; 2], swapped: bool, port: &str| {
        let mut stages = Stages::new();
        let a = stages.add("a", json!({"x": 1}), &[]);
        let b = stages.add("b", json!({"x": 2}), &[]);
        let [a, b] = if swapped { [b, a] } else { [a, b] };
        let node = stages.add("c", json!({}), &[(roles[0], a), (roles[1], b)]);
        let edge = stages.0.stages.find_edge(a, node).unwrap();
        stages.0.stages[edge].port = port.into();
        fixture.key(&stages, node)
    };
    let plain = key(["in", "in"], false, "out");
    assert_eq!(key(["in", "in"], false, "out"), plain);
    assert_ne!(key(["in", "in"], true, "out"), plain);
    assert_ne!(key(["in", "with"], false, "out"), plain);
    assert_ne!(key(["in", "in"], false, "test"), plain);
}

#[test]
fn equal_actions_have_one_key() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let keys = ["one", "two"].map(|name| {
        let first = stages.add(name, json!({"x": 1}), &[]);
        let second = stages.add(&format!("{name} below"), json!({"y": 1}), &[("in", first)]);
        [first, second].map(|node| fixture.key(&stages, node))
    });
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[0][0], keys[0][1]);
}

#[test]
fn action_and_content_keys_differ() {
    let fixture = Fixture::new();
    let mut stages = Stages::new();
    let node = stages.add("stage", json!({}), &[]);
    let plan = fixture.plan(&stages);
    let (content, fingerprint) = content_key(&stages.0, plan.action(node), &BTreeMap::new());
    assert_eq!(fingerprint, plan.action(node).fingerprint);
    assert_ne!(content, plan.action(node).action_key);
}
