//! stdin and stdout as the one connection of a service: how editors start it.

use super::{
    client::Client,
    connection,
    serving::finish,
    terms::{End, Terms, hung_up},
};
use crate::service::Service;
use rustix::process::test_kill_process;
use std::{pin::pin, sync::Arc, time::Duration};

/// How often the client's process is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Serves stdin and stdout to their end, or until `shutdown` is ready. Answers the code to exit
/// with: as the language server protocol has it, 1 after an `exit` without `shutdown`.
pub async fn serve(service: Arc<Service>, shutdown: impl Future<Output = ()>) -> u8 {
    let terms = Terms::default();
    let _connected = service.connected();
    let client = Client::new(Arc::clone(&service), &terms.answers);
    let mut connection = pin!(connection::run(
        tokio::io::stdin(),
        tokio::io::stdout(),
        Arc::clone(&client),
        terms.clone(),
        || hung_up(std::io::stdout()),
    ));
    tokio::select! {
        end = &mut connection => return exit_code(end),
        () = service.stopping() => {}
        () = shutdown => {}
        () = client_process_gone(&client) => {
            tracing::info!("the client's process is gone");
            client.cancel_all();
        }
    }
    // The connection goes on, so that what is under way is answered.
    let stopped = async {
        finish(&service, terms.patience).await;
        terms.closing.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        end = connection => exit_code(end),
        () = stopped => 0,
    }
}

/// Waits until the process that the client named in `initialize` has ended; for ever where it
/// named none, or one that cannot be seen from here, such as from within a container.
async fn client_process_gone(client: &Client) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(process) = client.caller().process()
            && test_kill_process(process) == Err(rustix::io::Errno::SRCH)
        {
            return;
        }
    }
}

/// As the language server protocol has it.
fn exit_code(end: End) -> u8 {
    match end {
        End::Input
        | End::Closed
        | End::Exit {
            after_shutdown: true,
        } => 0,
        End::Exit {
            after_shutdown: false,
        }
        | End::Broken => 1,
    }
}
