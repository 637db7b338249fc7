//! `surety client`

use clap::Subcommand;
use surety_core::types::{Address, ClientId, MsgType};

use super::Common;
use super::exit::Failed;
use super::output::table;
use crate::api::clients::{ClientRequest, ClientView, ClientsView};

#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Register a client, in place of what was registered under its name
    Put {
        /// Its client_id
        id: ClientId,
        /// An Ethereum address that may sign for it; may be given several times
        #[arg(long = "signer", required = true, value_name = "ADDRESS")]
        signers: Vec<Address>,
        /// A message type that it may submit; may be given several times
        #[arg(long = "type", required = true, value_name = "TYPE")]
        msg_types: Vec<MsgType>,
        /// The most unused Msg_IDs that it may hold [default: the host's]
        #[arg(long, value_name = "N")]
        msg_ids_outstanding_max: Option<u32>,
    },
    /// List the registered clients
    List,
}

impl Client {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let remote = common.remote()?;
        match self {
            Self::Put { id, signers, msg_types, msg_ids_outstanding_max } => {
                let (signers, msg_types) =
                    (signers.into_iter().collect(), msg_types.into_iter().collect());
                let request = ClientRequest { signers, msg_types, msg_ids_outstanding_max };
                let answer = remote.put_json(&format!("/v1/clients/{id}"), &request)?;
                let view: ClientView = answer.read()?;
                common.output().value(&view, |view| show(std::slice::from_ref(view)))?;
            }
            Self::List => {
                let view: ClientsView = remote.get("/v1/clients")?.read()?;
                common.output().value(&view, |view| show(&view.clients))?;
            }
        }
        Ok(())
    }
}

fn show(clients: &[ClientView]) -> String {
    let join = |items: Vec<String>| items.join(",");
    let row = |view: &ClientView| {
        let client = &view.client;
        [
            view.client_id.to_string(),
            join(client.msg_types.iter().map(MsgType::to_string).collect()),
            client.msg_ids_outstanding_max.map_or("host's".to_owned(), |max| max.to_string()),
            join(client.signers.iter().map(Address::to_string).collect()),
        ]
    };
    table(["CLIENT_ID", "TYPES", "IDS", "SIGNERS"], clients.iter().map(row).collect())
}
