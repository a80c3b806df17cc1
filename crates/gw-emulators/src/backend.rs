//! The demo backend: a list of orders in memory.

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::serving::{Serving, StartError, listen};

/// More orders than a demo needs; the oldest make room.
const MOST_ORDERS: usize = 1000;

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Backend {
    serving: Serving,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Order {
    id: String,
    sku: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct NewOrder {
    sku: String,
    quantity: u32,
}

#[derive(Debug)]
struct Orders {
    list: Vec<Order>,
    last_id: u64,
}

impl Orders {
    fn add(&mut self, sku: String, quantity: Option<u32>) -> Order {
        self.last_id += 1;
        let order = Order { id: self.last_id.to_string(), sku, quantity };
        if self.list.len() == MOST_ORDERS {
            self.list.remove(0);
        }
        self.list.push(order.clone());
        order
    }
}

impl Backend {
    /// Listens on the loopback port; 0 lets the system choose.
    pub async fn start(port: u16) -> Result<Self, StartError> {
        let mut orders = Orders { list: Vec::new(), last_id: 0 };
        orders.add("tea".to_owned(), None);
        let routes = Router::new()
            .route("/orders", get(list).post(create))
            .route("/orders/{id}", get(one))
            .with_state(Arc::new(Mutex::new(orders)));
        Ok(Self { serving: Serving::start(listen(port).await?, routes)? })
    }

    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }
}

type Shared = State<Arc<Mutex<Orders>>>;

async fn list(State(orders): Shared) -> Json<Vec<Order>> {
    Json(orders.lock().list.clone())
}

async fn create(State(orders): Shared, Json(new): Json<NewOrder>) -> (StatusCode, Json<Order>) {
    let order = orders.lock().add(new.sku, Some(new.quantity));
    (StatusCode::CREATED, Json(order))
}

async fn one(State(orders): Shared, Path(id): Path<String>) -> Result<Json<Order>, StatusCode> {
    let orders = orders.lock();
    let order = orders.list.iter().find(|order| order.id == id);
    order.cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
}
