//! An operator as people write them with kube-rs: its own kind, reconciled into objects that it owns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{Controller, watcher};
use kube::{Client, CustomResource, CustomResourceExt, Resource, ResourceExt};
use odeon_tests::Cluster;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

const FINALIZER: &str = "greetings.example.com/farewell";

/// What someone shall be greeted with.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Greeting",
    namespaced,
    shortname = "gr",
    category = "all"
)]
#[kube(status = "GreetingStatus")]
#[kube(scale(spec_replicas_path = ".spec.times", status_replicas_path = ".status.times"))]
#[kube(printcolumn(name = "Word", type_ = "string", json_path = ".spec.word"))]
#[kube(printcolumn(name = "Said", type_ = "integer", json_path = ".status.times"))]
#[serde(rename_all = "camelCase")]
struct GreetingSpec {
    /// What is said.
    word: String,
    /// How often.
    #[serde(default = "once")]
    #[schemars(range(min = 0, max = 5))]
    times: i32,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct GreetingStatus {
    times: i32,
    observed_generation: Option<i64>,
}

fn once() -> i32 {
    1
}

#[derive(Debug)]
struct Failure(String);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure(error.to_string())
}

/// A client with the admin's credentials.
pub async fn client(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

async fn install(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let manager = PatchParams::apply("greeter").force();
    definitions.patch("greetings.example.com", &manager, &Patch::Apply(Greeting::crd())).await.unwrap();
    let established = await_condition(definitions, "greetings.example.com", conditions::is_crd_established());
    within(established).await.unwrap();
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("it takes too long")
}

async fn reconcile(
    greeting: Arc<Greeting>,
    client: Arc<Client>,
) -> Result<Action, kube::runtime::finalizer::Error<Failure>> {
    let greetings: Api<Greeting> =
        Api::namespaced(Client::clone(&client), &greeting.namespace().unwrap_or_default());
    let act = |event| async {
        match event {
            Event::Apply(greeting) => greet(&greeting, &client).await,
            Event::Cleanup(greeting) => farewell(&greeting, &client).await,
        }
    };
    finalizer(&greetings, FINALIZER, greeting, act).await
}

/// Keeps a ConfigMap of the greeting's own, and says so in its status.
async fn greet(greeting: &Greeting, client: &Client) -> Result<Action, Failure> {
    let (name, namespace) = (greeting.name_any(), greeting.namespace().unwrap_or_default());
    let said = vec![greeting.spec.word.as_str(); usize::try_from(greeting.spec.times).unwrap_or_default()];
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            owner_references: Some(greeting.controller_owner_ref(&()).into_iter().collect()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("said".to_owned(), said.join(" "))])),
        ..ConfigMap::default()
    };
    let manager = PatchParams::apply("greeter").force();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    maps.patch(&name, &manager, &Patch::Apply(map)).await.map_err(failure)?;
    let greetings: Api<Greeting> = Api::namespaced(client.clone(), &namespace);
    let status =
        json!({"status": {"times": greeting.spec.times, "observedGeneration": greeting.metadata.generation}});
    greetings.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.map_err(failure)?;
    Ok(Action::await_change())
}

/// Leaves a note, so that the test sees that the finalizer ran.
async fn farewell(greeting: &Greeting, client: &Client) -> Result<Action, Failure> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &greeting.namespace().unwrap_or_default());
    let metadata =
        ObjectMeta { name: Some(format!("farewell-{}", greeting.name_any())), ..ObjectMeta::default() };
    let note = ConfigMap { metadata, ..ConfigMap::default() };
    match maps.create(&PostParams::default(), &note).await {
        Ok(_) => Ok(Action::await_change()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Action::await_change()),
        Err(error) => Err(failure(error)),
    }
}

fn retry(_: Arc<Greeting>, error: &kube::runtime::finalizer::Error<Failure>, _: Arc<Client>) -> Action {
    eprintln!("reconciling failed: {error}: {:?}", std::error::Error::source(error));
    Action::requeue(Duration::from_millis(200))
}

async fn operate(client: Client) {
    let greetings: Api<Greeting> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::all(client.clone());
    Controller::new(greetings, watcher::Config::default())
        .owns(maps, watcher::Config::default())
        .run(reconcile, retry, Arc::new(client))
        .for_each(|_| async {})
        .await;
}

fn said(word: &'static str) -> impl Fn(Option<&ConfigMap>) -> bool {
    move |map| map.and_then(|map| map.data.as_ref()?.get("said")).is_some_and(|said| said == word)
}

#[test]
fn an_operator_of_kube_rs_works_unmodified() {
    let cluster = Cluster::hollow(1);
    tokio::runtime::Runtime::new().unwrap().block_on(lifetime(&cluster));
}

async fn lifetime(cluster: &Cluster) {
    let client = client(cluster).await;
    install(&client).await;
    let operator = tokio::spawn(operate(client.clone()));
    let greetings: Api<Greeting> = Api::namespaced(client.clone(), "default");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");

    let hello = GreetingSpec { word: "hello".to_owned(), times: 2 };
    let created = greetings.create(&PostParams::default(), &Greeting::new("g", hello)).await.unwrap();
    assert_eq!(created.metadata.generation, Some(1));
    within(await_condition(maps.clone(), "g", said("hello hello"))).await.unwrap();

    let wish = Patch::Merge(json!({"spec": {"times": 1}}));
    greetings.patch("g", &PatchParams::default(), &wish).await.unwrap();
    within(await_condition(maps.clone(), "g", said("hello"))).await.unwrap();
    let seen = |greeting: Option<&Greeting>| {
        greeting
            .and_then(|greeting| greeting.status.as_ref())
            .is_some_and(|status| status.observed_generation == Some(2))
    };
    within(await_condition(greetings.clone(), "g", seen)).await.unwrap();

    let wrong = Patch::Merge(json!({"spec": {"times": 9}}));
    let refused = greetings.patch("g", &PatchParams::default(), &wrong).await.unwrap_err().to_string();
    assert!(refused.contains("spec.times in body should be less than or equal to 5"), "{refused}");

    // What it owns comes back, and goes with it; the finalizer runs in between.
    maps.delete("g", &DeleteParams::default()).await.unwrap();
    within(await_condition(maps.clone(), "g", said("hello"))).await.unwrap();
    let uid = greetings.get("g").await.unwrap().uid().unwrap();
    let map = maps.get("g").await.unwrap().uid().unwrap();
    greetings.delete("g", &DeleteParams::default()).await.unwrap();
    within(await_condition(greetings, "g", conditions::is_deleted(&uid))).await.unwrap();
    within(await_condition(maps.clone(), "g", conditions::is_deleted(&map))).await.unwrap();
    maps.get("farewell-g").await.unwrap();
    operator.abort();
}
