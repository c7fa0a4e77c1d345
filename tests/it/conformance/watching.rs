//! `watch.go` and `chunking.go`: what watchers see, and lists in pieces.

use serde_json::json;

use super::{Api, CONFIG_MAPS, config_map, items, names, text};

#[tokio::test]
async fn watchers_see_what_concerns_them() {
    let api = Api::start().await;
    let select = |labels: &str| format!("{CONFIG_MAPS}?watch=true&labelSelector={labels}");
    let mut a = api.watch(&select("watch%3Da")).await;
    let mut b = api.watch(&select("watch%3Db")).await;
    let mut both = api.watch(&select("watch%20in%20%28a%2Cb%29")).await;
    for name in ["a", "b"] {
        let mut labelled = config_map(name);
        labelled["metadata"]["labels"] = json!({"watch": name});
        api.post(CONFIG_MAPS, &labelled).await.ok();
        let path = format!("{CONFIG_MAPS}/{name}");
        for count in 1..3 {
            api.patch(&path, "merge", &json!({"data": {"mutation": count.to_string()}})).await.ok();
        }
        api.delete(&path, &json!({})).await.ok();
        for watcher in [if name == "a" { &mut a } else { &mut b }, &mut both] {
            for expected in ["ADDED", "MODIFIED", "MODIFIED", "DELETED"] {
                assert_eq!(watcher.line().await, format!("{expected} {name}"));
            }
        }
    }
}

#[tokio::test]
async fn watches_start_and_restart_at_a_version() {
    let api = Api::start().await;
    let path = format!("{CONFIG_MAPS}/a");
    api.post(CONFIG_MAPS, &config_map("a")).await.ok();
    let first = api.patch(&path, "merge", &json!({"data": {"mutation": "1"}})).await.ok();
    api.patch(&path, "merge", &json!({"data": {"mutation": "2"}})).await.ok();
    api.delete(&path, &json!({})).await.ok();
    let since = |version: &str| format!("{CONFIG_MAPS}?watch=true&resourceVersion={version}");
    let mut watch = api.watch(&since(text(&first, "/metadata/resourceVersion"))).await;
    let second = watch.next().await;
    assert_eq!((text(&second, "/type"), text(&second, "/object/data/mutation")), ("MODIFIED", "2"));
    drop(watch);
    api.post(CONFIG_MAPS, &config_map("a")).await.ok();
    let mut again = api.watch(&since(text(&second, "/object/metadata/resourceVersion"))).await;
    assert_eq!(again.line().await, "DELETED a");
    assert_eq!(again.line().await, "ADDED a");
}

#[tokio::test]
async fn what_stops_to_fit_a_selector_is_deleted_to_its_watchers() {
    let api = Api::start().await;
    let path = format!("{CONFIG_MAPS}/a");
    let label = |value: &str| json!({"metadata": {"labels": {"watch": value}}});
    let mut watch = api.watch(&format!("{CONFIG_MAPS}?watch=true&labelSelector=watch%3Dyes")).await;
    let mut map = config_map("a");
    map["metadata"]["labels"] = json!({"watch": "yes"});
    api.post(CONFIG_MAPS, &map).await.ok();
    api.patch(&path, "merge", &label("no")).await.ok();
    api.patch(&path, "merge", &json!({"data": {"mutation": "unseen"}})).await.ok();
    api.patch(&path, "merge", &label("yes")).await.ok();
    api.patch(&path, "merge", &json!({"data": {"mutation": "seen"}})).await.ok();
    api.delete(&path, &json!({})).await.ok();
    for expected in ["ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED"] {
        assert_eq!(watch.line().await, format!("{expected} a"));
    }
}

#[tokio::test]
async fn concurrent_watchers_see_the_same_order() {
    const WRITES: usize = 40;
    let api = Api::start().await;
    let mut watches = vec![
        api.watch(&format!("{CONFIG_MAPS}?watch=true&fieldSelector=metadata.name%21%3Dkube-root-ca.crt"))
            .await,
    ];
    let write = |number: usize| {
        let api = &api;
        async move {
            let name = format!("m{}", number % 5);
            match number % 3 {
                0 => api.post(CONFIG_MAPS, &config_map(&name)).await.code,
                1 => {
                    let data = json!({"data": {"n": number.to_string()}});
                    api.patch(&format!("{CONFIG_MAPS}/{name}"), "merge", &data).await.code
                }
                _ => api.delete(&format!("{CONFIG_MAPS}/{name}"), &json!({})).await.code,
            }
        }
    };
    let mut changes = 0;
    let mut version =
        api.get(CONFIG_MAPS).await.ok()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    for round in 0..4 {
        let codes =
            futures::future::join_all((0..WRITES / 4).map(|one| write(round * WRITES / 4 + one))).await;
        changes += codes.iter().filter(|code| **code < 300).count();
        // Each begins elsewhere in history; together they see the same.
        watches.push(api.watch(&format!("{CONFIG_MAPS}?watch=true&resourceVersion={version}")).await);
        version.clone_from(&text(&api.get(CONFIG_MAPS).await.ok(), "/metadata/resourceVersion").to_owned());
    }
    let mut seen = Vec::new();
    while seen.len() < changes {
        let event = watches[0].next().await;
        seen.push(text(&event, "/object/metadata/resourceVersion").parse::<u64>().unwrap());
    }
    assert!(seen.is_sorted(), "{seen:?}");
    for watch in &mut watches[1..] {
        let first: u64 = text(&watch.next().await, "/object/metadata/resourceVersion").parse().unwrap();
        let start = seen.iter().position(|version| *version == first).unwrap();
        for expected in &seen[start + 1..] {
            let event = watch.next().await;
            assert_eq!(text(&event, "/object/metadata/resourceVersion"), expected.to_string());
        }
    }
}

#[tokio::test]
async fn lists_come_in_chunks_of_one_moment() {
    let api = Api::start().await;
    let path = "/api/v1/namespaces/default/podtemplates";
    let template = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name},
            "template": {"spec": {"containers": [{"name": "c", "image": "nginx:1"}]}},
        })
    };
    for number in 0..40 {
        api.post(path, &template(&format!("template-{number:02}"))).await.ok();
    }
    let (mut seen, mut token, mut version) = (Vec::new(), String::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=17&continue={token}")).await.ok();
        let left = page["metadata"]["remainingItemCount"].as_u64();
        seen.extend(names(&page).into_iter().map(str::to_owned));
        assert_eq!(left.unwrap_or_default(), 40 - seen.len() as u64);
        if version.is_empty() {
            version = text(&page, "/metadata/resourceVersion").to_owned();
            api.delete(&format!("{path}/template-39"), &json!({})).await.ok();
        }
        assert_eq!(text(&page, "/metadata/resourceVersion"), version, "all chunks show one moment");
        token = text(&page, "/metadata/continue").to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 40);
    assert!(seen.is_sorted());
    let whole = api.get(&format!("{path}?limit=0")).await.ok();
    assert_eq!(items(&whole).len(), 39);
    assert!(whole.pointer("/metadata/continue").is_none());
}
