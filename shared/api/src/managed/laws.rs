//! What holds for every object and everything that is applied to it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NAMES: [&str; 9] =
    ["metadata", "labels", "spec", "containers", "name", "image", "finalizers", "ports", "containerPort"];

fn arbitrary_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        "[ab]".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// A part of a pod that can be applied. Empty maps are left out: owning one means no field once it has keys.
fn arbitrary_pod() -> impl Strategy<Value = Value> {
    let labels = proptest::option::of(proptest::collection::btree_map("[a-c]", "[xy]", 1..3));
    let ports = || {
        proptest::collection::btree_map(1..4, proptest::option::of("[np]"), 0..3).prop_map(|ports| {
            ports
                .into_iter()
                .map(|(port, name)| match name {
                    Some(name) => json!({"containerPort": port, "name": name}),
                    None => json!({"containerPort": port}),
                })
                .collect::<Vec<Value>>()
        })
    };
    let container = (
        proptest::option::of("[ij]"),
        proptest::option::of(ports()),
        proptest::option::of(proptest::collection::vec("[xy]", 0..3)),
    );
    let containers = proptest::collection::btree_map("[a-c]", container, 0..3);
    (labels, containers, proptest::option::of(0..3i32)).prop_map(|(labels, containers, grace)| {
        let containers: Vec<Value> = containers
            .into_iter()
            .map(|(name, (image, ports, args))| {
                let mut container = json!({"name": name});
                let fields = [
                    ("image", image.map(Value::from)),
                    ("ports", ports.map(Value::from)),
                    ("args", args.map(Value::from)),
                ];
                let fields = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
                container.as_object_mut().unwrap().extend(fields);
                container
            })
            .collect();
        let mut spec = json!({"containers": containers});
        if let Some(grace) = grace {
            spec["terminationGracePeriodSeconds"] = grace.into();
        }
        let metadata =
            labels.map_or_else(|| json!({"name": "p"}), |labels| json!({"name": "p", "labels": labels}));
        json!({"metadata": metadata, "spec": spec})
    })
}

fn pod_kind() -> TypeRef<'static> {
    TypeRef::of(crate::by_gvk("v1", "Pod").unwrap())
}

fn by(manager: &str, at: i64) -> Writer<'_> {
    Writer {
        manager,
        api_version: "v1",
        subresource: "",
        now: Timestamp(at * 1_000_000),
        names_differ: false,
    }
}

fn owned_by(object: &Value, manager: &str) -> FieldSet {
    let managers = Managers::from_value(&object["metadata"]["managedFields"]).unwrap();
    let owned = managers.0.into_iter().filter(|(known, _)| known.name == manager);
    owned.fold(FieldSet::default(), |all, (_, owned)| all.union(&owned.fields))
}

/// An element of a list keeps its key as long as anything in it is kept.
fn is_key(path: &str) -> bool {
    path.ends_with("].name") || path.ends_with(".containerPort")
}

proptest! {
    #[test]
    fn applying_twice_changes_nothing(first in arbitrary_pod(), mine in arbitrary_pod()) {
        let mut live = first;
        created(&mut live, None, pod_kind(), &[], by("other", 0));
        let once = apply(Some(&live), &mine, pod_kind(), &[], by("me", 1), true).unwrap();
        let twice = apply(Some(&once), &mine, pod_kind(), &[], by("me", 2), false).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_forced_apply_owns_all_that_it_wants(first in arbitrary_pod(), mine in arbitrary_pod()) {
        let mut live = first;
        created(&mut live, None, pod_kind(), &[], by("other", 0));
        let object = apply(Some(&live), &mine, pod_kind(), &[], by("me", 1), true).unwrap();
        let wanted = extract::applied(pod_kind(), &mine).unwrap().difference(&UNTRACKED);
        prop_assert_eq!(owned_by(&object, "me"), wanted.clone());
        let has = extract::present(pod_kind(), &object);
        prop_assert_eq!(wanted.clone().difference(&has), FieldSet::default(), "what is wanted is there");
        // What others still own of it has the value that is wanted.
        let again = apply(Some(&object), &mine, pod_kind(), &[], by("third", 2), false);
        prop_assert!(again.is_ok());
    }

    #[test]
    fn leaving_all_out_takes_away_what_nobody_else_owns(first in arbitrary_pod(), mine in arbitrary_pod()) {
        let base = apply(None, &first, pod_kind(), &[], by("other", 0), false).unwrap();
        let with_mine = apply(Some(&base), &mine, pod_kind(), &[], by("me", 1), true).unwrap();
        let others = owned_by(&with_mine, "other");
        let nothing = json!({"metadata": {"name": "p"}});
        let without = apply(Some(&with_mine), &nothing, pod_kind(), &[], by("me", 2), false).unwrap();
        prop_assert_eq!(owned_by(&without, "me"), FieldSet::default());
        prop_assert_eq!(owned_by(&without, "other"), others.clone());
        // Of what only this manager applied, nothing is left but the way to what others own.
        let left = extract::present(pod_kind(), &without);
        for path in extract::applied(pod_kind(), &mine).unwrap().difference(&UNTRACKED).intersection(&left).paths() {
            prop_assert!(others.paths().iter().any(|owned| owned.starts_with(&path)) || is_key(&path), "{} is left", path);
        }
    }

    #[test]
    fn updates_and_their_undoing_leave_one_owner_per_field(first in arbitrary_pod(), second in arbitrary_pod()) {
        let mut live = first;
        created(&mut live, None, pod_kind(), &[], by("a", 0));
        let mut new = second;
        updated(&mut new, &live, None, pod_kind(), by("b", 1));
        let shared = owned_by(&new, "a").intersection(&owned_by(&new, "b"));
        prop_assert!(shared.is_empty(), "{}", shared);
    }

    #[test]
    fn nothing_panics(live in arbitrary_value(), config in arbitrary_value(), sent in arbitrary_value(), fields in arbitrary_value()) {
        for kind in [pod_kind(), TypeRef::Unknown, TypeRef::Custom(&fields)] {
            let mut object = live.clone();
            created(&mut object, Some(&sent), kind, &["status"], by("a", 0));
            let mut new = config.clone();
            updated(&mut new, &object, Some(&sent), kind, by("b", 1));
            drop(apply(Some(&object), &config, kind, &[], by("c", 2), true));
            drop(apply(None, &config, kind, &[], by("c", 2), false));
        }
        drop(FieldSet::from_value(&fields));
    }

    #[test]
    fn sets_obey_the_laws(a in arbitrary_pod(), b in arbitrary_pod()) {
        let (a, b) = (extract::present(pod_kind(), &a), extract::present(pod_kind(), &b));
        let (both, either) = (a.intersection(&b), a.clone().union(&b));
        prop_assert_eq!(b.clone().union(&a), either.clone());
        prop_assert_eq!(a.clone().difference(&b).union(&both), a.clone());
        prop_assert_eq!(either.difference(&b), a.clone().difference(&b));
        prop_assert_eq!(FieldSet::from_value(&a.to_value()), Ok(a));
    }
}
