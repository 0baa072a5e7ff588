//! stub
use std::sync::Arc;
pub(crate) fn start(
    network: crate::capture::Network,
    _host: &Arc<dyn crate::host::Host>,
    _key: wire::flow::FlowKey,
    _warden: rustix::process::Pid,
) {
    let _ = network.into_gates();
}
