//! What all requests share: the bus, the view, the journal, and the gateway's own tables.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::Revision;
use bus::{Bus, Journal, Store, View};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::access::Access;
use crate::aggregate::Aggregates;
use crate::catalogue::Catalogue;
use crate::certificates::Authority;
use crate::convert::Converter;
use crate::dial::{Dialer, Identity};
use crate::events::EventTable;
use crate::failure::Failure;
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use crate::overload::Desk;
use crate::pki::Pki;
use crate::tokens::Signer;

/// How long a read waits for the view to hold what was written.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Shared by all requests of a gateway.
pub struct Context {
    /// The gateway's flags.
    pub config: Config,
    /// For logs of containers.
    pub bus: Bus,
    /// Where writes go.
    pub store: Store,
    /// Where reads and watches come from.
    pub view: Arc<View>,
    /// The kinds that are served.
    pub catalogue: Catalogue,
    /// Where every write is explained.
    pub journal: Journal,
    /// Kubernetes' events.
    pub events: Arc<EventTable>,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// The certificate of the cluster's authority, in PEM.
    pub authority: String,
    /// The bearer token of `admin`.
    pub admin_token: String,
    /// Who may do what.
    pub access: Access,
    /// Signs certificates.
    pub authority_key: Authority,
    /// Whom users want to be asked about writes.
    pub hooks: Hooks,
    /// What servers of other APIs serve.
    pub aggregates: Aggregates,
    /// As whom requests are passed on to them.
    pub front_proxy: Arc<Identity>,
    /// The certificate of the authority that vouches for that, in PEM.
    pub front_proxy_authority: String,
    /// Signs and checks the tokens of service accounts.
    pub tokens: Signer,
    /// Where the gateway listens.
    pub address: SocketAddr,
    /// The way into the cluster.
    pub dialer: Arc<Dialer>,
    /// Objects of custom kinds in all of their versions.
    pub converter: Converter,
    /// Who may run now.
    pub desk: Desk,
    /// Cancelled when the gateway stops: streams end.
    pub stopping: CancellationToken,
}

impl Context {
    /// Everything a gateway has, on a bus that is connected.
    pub fn new(
        config: Config,
        bus: Bus,
        view: Arc<View>,
        pki: &Pki,
        (tokens, authority_key): (Signer, Authority),
        address: SocketAddr,
    ) -> Self {
        let dialer = Arc::new(Dialer::new(bus.clone(), Arc::clone(&view)));
        Self {
            config,
            store: bus.store(),
            journal: bus.journal(),
            converter: Converter::new(Arc::clone(&dialer)),
            dialer,
            bus,
            catalogue: Catalogue::of(Arc::clone(&view)),
            view,
            events: Arc::new(EventTable::default()),
            metrics: Metrics::register(),
            authority_key,
            authority: pki.ca_certificate.clone(),
            admin_token: pki.admin_token.clone(),
            access: Access::default(),
            hooks: Hooks::default(),
            aggregates: Aggregates::default(),
            front_proxy: Arc::new(pki.front_proxy.clone()),
            front_proxy_authority: pki.front_proxy_authority.clone(),
            tokens,
            address,
            desk: Desk::default(),
            stopping: CancellationToken::new(),
        }
    }

    /// Waits until the view holds `revision`; a failure if that takes too long.
    pub async fn caught_up(&self, revision: Revision) -> Result<(), Failure> {
        let waiting = tokio::time::timeout(CATCH_UP, self.view.wait_for(revision));
        waiting.await.map_err(|_| too_large(revision, self.view.revision()))
    }

    /// The same of events, whose revisions are a space of their own.
    pub async fn events_caught_up(&self, revision: Revision) -> Result<(), Failure> {
        let waiting = tokio::time::timeout(CATCH_UP, self.events.caught_up(revision));
        waiting.await.map_err(|_| too_large(revision, self.events.view().revision()))
    }
}

fn too_large(wanted: Revision, current: Revision) -> Failure {
    Failure::timeout(format!("Too large resource version: {wanted}, current: {current}"))
}
