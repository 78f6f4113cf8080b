//! A call that is dropped is cancelled on the server, which would otherwise go on working for
//! nobody. It must never cancel a call that was answered.

use jsonrpsee::core::{
    client::async_client::RpcService,
    middleware::{Batch, Notification, Request, RpcServiceT},
};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use tokio::runtime::Handle;
use vouch_protocol::{Cancel, Notification as _};

/// Sends `$/cancelRequest` for each call whose future is dropped before its answer came.
#[derive(Debug, Clone)]
pub(crate) struct CancelsWhenDropped(RpcService);

impl CancelsWhenDropped {
    pub(crate) fn new(service: RpcService) -> Self {
        Self(service)
    }
}

impl RpcServiceT for CancelsWhenDropped {
    type MethodResponse = <RpcService as RpcServiceT>::MethodResponse;
    type NotificationResponse = <RpcService as RpcServiceT>::NotificationResponse;
    type BatchResponse = <RpcService as RpcServiceT>::BatchResponse;

    fn call<'a>(
        &self,
        request: Request<'a>,
    ) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        let service = self.0.clone();
        async move {
            let mut unanswered = Unanswered {
                // No id of a client's own making fails to be JSON.
                params: to_raw_value(&serde_json::json!({ "id": request.id })).ok(),
                service: service.clone(),
            };
            let response = service.call(request).await;
            unanswered.params = None;
            response
        }
    }

    fn batch<'a>(
        &self,
        requests: Batch<'a>,
    ) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        self.0.batch(requests)
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        self.0.notification(notification)
    }
}

/// A call under way.
struct Unanswered {
    service: RpcService,
    /// What cancels it; none once it was answered.
    params: Option<Box<RawValue>>,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(params) = self.params.take() else {
            return;
        };
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
