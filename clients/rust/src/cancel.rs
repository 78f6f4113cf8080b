//! Dropping a call cancels it on the server, which would otherwise work for nobody. A call that was
//! answered is never cancelled.

use crate::sent::{Sent, refused, unsent};
use jsonrpsee::core::{
    client::async_client::RpcService,
    middleware::{Batch, Notification, Request, RpcServiceT},
};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use tokio::runtime::Handle;
use vouch_protocol::{Cancel, Notification as _};

/// Sends `$/cancelRequest` for each call whose future is dropped before its answer came, and says of
/// failed calls whether they were sent.
#[derive(Debug, Clone)]
pub(crate) struct CancelOnDrop {
    service: RpcService,
    sent: Sent,
}

impl CancelOnDrop {
    pub(crate) fn new(service: RpcService, sent: Sent) -> Self {
        Self { service, sent }
    }
}

impl RpcServiceT for CancelOnDrop {
    type MethodResponse = <RpcService as RpcServiceT>::MethodResponse;
    type NotificationResponse = <RpcService as RpcServiceT>::NotificationResponse;
    type BatchResponse = <RpcService as RpcServiceT>::BatchResponse;

    fn call<'a>(
        &self,
        request: Request<'a>,
    ) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        let service = self.service.clone();
        let sent = self.sent.clone();
        async move {
            let mut unanswered = Unanswered {
                // Our own ids can always be written as JSON.
                params: to_raw_value(&serde_json::json!({ "id": request.id })).ok(),
                id: serde_json::to_string(&request.id).unwrap_or_default(),
                sent,
                service: service.clone(),
            };
            let response = tokio::select! {
                biased;
                response = service.call(request) => response,
                () = unanswered.sent.refused(&unanswered.id) => Err(refused()),
            };
            unanswered.params = None;
            let sent = unanswered.sent.forget(&unanswered.id);
            response.map_err(|error| if sent { error } else { unsent(error) })
        }
    }

    fn batch<'a>(
        &self,
        requests: Batch<'a>,
    ) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        self.service.batch(requests)
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        self.service.notification(notification)
    }
}

/// A call under way.
struct Unanswered {
    service: RpcService,
    /// The params of the cancellation; none once the call was answered.
    params: Option<Box<RawValue>>,
    id: String,
    sent: Sent,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(params) = self.params.take() else {
            return;
        };
        self.sent.forget(&self.id);
        // Without a runtime the connection is gone too, and that cancels everything.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let service = self.service.clone();
        runtime.spawn(async move {
            let cancel = Notification::new(Cancel::NAME.into(), Some(Cow::Owned(params)));
            // It fails where the connection is gone, which cancels everything.
            let _ = service.notification(cancel).await;
        });
    }
}
