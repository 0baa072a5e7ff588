//! What the proxy tells the manager unasked: it never waits for it, and who tells need not know how it gets there.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use wire::proxy::ProxyEvent;

/// A way to the manager. What is told is bounded by who tells it.
#[derive(Clone, Debug)]
pub struct Teller(UnboundedSender<ProxyEvent>);

impl Teller {
    /// A way, and its end.
    #[must_use]
    pub fn channel() -> (Self, UnboundedReceiver<ProxyEvent>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells it.
    pub fn tell(&self, event: ProxyEvent) {
        // Without a manager this process ends at any moment.
        let _nobody_listens = self.0.send(event);
    }
}
