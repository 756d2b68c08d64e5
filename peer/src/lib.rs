//! The process that trains and exchanges: training, data, chunk store, transport and the driver around the swarm.

pub mod data;
pub mod train;
