//! A name server of the test's own, on 127.0.0.1: it knows who takes the mail of some domains.

use std::net::SocketAddr;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::MX;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

/// The MX records of each domain: preference and host. Of any other it says that it is not there.
pub type MxZone = &'static [(&'static str, &'static [(u16, &'static str)])];

/// Serves `zone` until the test ends.
pub async fn mx_server(zone: MxZone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let answer = answer(&Message::from_vec(&buffer[..length]).unwrap(), zone);
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    addr
}

fn answer(question: &Message, zone: MxZone) -> Message {
    let query = question.queries[0].clone();
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.recursion_available = true;
    let domain = zone.iter().find(|(name, _)| Name::from_ascii(name).unwrap() == *query.name());
    match domain {
        None => message.metadata.response_code = ResponseCode::NXDomain,
        Some((_, hosts)) if query.query_type() == RecordType::MX => {
            for (preference, host) in *hosts {
                let data = RData::MX(MX::new(*preference, Name::from_ascii(host).unwrap()));
                message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
        }
        Some(_) => {}
    }
    message.add_query(query);
    message
}
