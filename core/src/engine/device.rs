//! Graphics processors: which there are, and one opened for an engine.

use crate::model::EngineError;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::Device;
use cubecl::Device as CubeDevice;
use cubecl::wgpu::{MemoryConfiguration, RuntimeOptions, WgpuSetup, try_init_device, wgpu};
use std::sync::OnceLock;

/// An adapter that could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Its name, as its driver gives it.
    pub name: String,
    /// Its driver's interface: Vulkan, Metal, Dx12, Gl, BrowserWebGpu.
    pub interface: String,
    /// Whether it is a program on the processor (lavapipe, SwiftShader).
    pub software: bool,
}

impl core::fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kind = if self.software { ", software" } else { "" };
        write!(f, "{} ({}{kind})", self.name, self.interface)
    }
}

impl From<wgpu::AdapterInfo> for AdapterInfo {
    fn from(info: wgpu::AdapterInfo) -> Self {
        let software = info.device_type == wgpu::DeviceType::Cpu;
        AdapterInfo { name: info.name, interface: format!("{:?}", info.backend), software }
    }
}

/// Why no device could be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none.
    #[error("no graphics adapter found: install a driver (Vulkan, Metal or DX12), or use the engine `cpu`")]
    None,
    /// None of this name or number.
    #[error("no graphics adapter `{wanted}`: expected a number or a part of a name of: {found}")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// It cannot do what the kernels need.
    #[error("adapter {adapter} offers {what} of {found}, {expected} needed: take another adapter or the engine `cpu`")]
    Weak {
        /// Its name.
        adapter: String,
        /// What it lacks.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much is needed.
        expected: u64,
    },
    /// The driver refused.
    #[error("adapter {adapter} could not be opened: {reason}")]
    Refused {
        /// Its name.
        adapter: String,
        /// What the driver said.
        reason: String,
    },
}

impl From<OpenError> for EngineError {
    fn from(error: OpenError) -> Self {
        EngineError::Device(error.to_string())
    }
}

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::PRIMARY,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    })
}

/// The adapters of this machine; hardware before software.
async fn all(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    #[cfg(not(target_family = "wasm"))]
    let mut found = instance.enumerate_adapters(wgpu::Backends::PRIMARY).await;
    // A browser has one, and hands it out on request alone.
    #[cfg(target_family = "wasm")]
    let mut found: Vec<_> =
        instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.into_iter().collect();
    found.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::Cpu => 3,
        _ => 2,
    });
    found
}

/// The adapters of this machine, in the order of their numbers.
pub async fn adapters() -> Vec<AdapterInfo> {
    all(&instance()).await.iter().map(|a| a.get_info().into()).collect()
}

/// An opened device. Engines may share it. CubeCL keeps what it knows of it until the process ends.
#[derive(Clone)]
pub struct Gpu {
    pub(super) device: Device,
    wgpu: wgpu::Device,
    adapter: AdapterInfo,
    /// Bytes that one binding may have.
    pub(super) binding: u64,
    /// The first error that the driver reported outside of any call.
    failure: Arc<OnceLock<String>>,
}

impl core::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gpu").field("adapter", &self.adapter).field("binding", &self.binding).finish_non_exhaustive()
    }
}

impl Gpu {
    /// Opens an adapter: by number, by a part of its name, or the first where `wanted` is empty.
    pub async fn open(wanted: &str) -> Result<Gpu, OpenError> {
        let instance = instance();
        let found = all(&instance).await;
        let names: Vec<AdapterInfo> = found.iter().map(|a| a.get_info().into()).collect();
        let lower = wanted.to_lowercase();
        let index = match wanted.parse::<usize>() {
            _ if names.is_empty() => return Err(OpenError::None),
            Ok(index) => index,
            Err(_) => names.iter().position(|n| n.name.to_lowercase().contains(&lower)).unwrap_or(usize::MAX),
        };
        let (Some(adapter), Some(info)) = (found.into_iter().nth(index), names.get(index)) else {
            let found: Vec<_> = names.iter().enumerate().map(|(i, n)| format!("{i}: {n}")).collect();
            return Err(OpenError::Unknown { wanted: wanted.to_string(), found: found.join("; ") });
        };
        Self::with(instance, adapter, info.clone()).await
    }

    async fn with(instance: wgpu::Instance, adapter: wgpu::Adapter, info: AdapterInfo) -> Result<Gpu, OpenError> {
        let limits = adapter.limits();
        let needs = [
            ("storage buffers a kernel", limits.max_storage_buffers_per_shader_stage, 8),
            ("lanes a workgroup", limits.max_compute_invocations_per_workgroup, 256),
            ("bytes of workgroup memory", limits.max_compute_workgroup_storage_size, 16_384),
        ];
        if let Some((what, found, expected)) = needs.into_iter().find(|(_, found, expected)| found < expected) {
            let (found, expected) = (found as u64, expected as u64);
            return Err(OpenError::Weak { adapter: info.to_string(), what, found, expected });
        }
        let refused = |reason: String| OpenError::Refused { adapter: info.to_string(), reason };
        let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let descriptor = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|e| refused(e.to_string()))?;
        let backend = adapter.get_info().backend;
        let setup = WgpuSetup { instance, adapter, device: device.clone(), queue, backend };
        let options = RuntimeOptions { tasks_max: 64, memory_config: MemoryConfiguration::default() };
        let cube = try_init_device(setup, options).map_err(|e| refused(e.to_string()))?;
        let failure = Arc::new(OnceLock::new());
        // After CubeCL's own handler, and in its place: that one panics on a thread of its own, which catches it, and
        // whoever reads finds zeros (CubeCL 0.11). Here the next reading finds the error.
        let seen = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error| {
            let _ = seen.set(error.to_string());
        }));
        Ok(Gpu { device: Device::new(CubeDevice::Wgpu(cube)), wgpu: device, adapter: info, binding, failure })
    }

    /// Whether nothing has failed so far. What failed once stays so: the tensors of that time cannot be trusted.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        match self.failure.get() {
            Some(reason) => Err(EngineError::Device(format!("{}: {reason}", self.adapter))),
            None => Ok(()),
        }
    }

    /// Which adapter it is.
    pub fn adapter(&self) -> &AdapterInfo {
        &self.adapter
    }

    /// Takes the device away, as a driver's reset does: every engine on it fails from here on. For tests.
    pub fn destroy(&self) {
        self.wgpu.destroy();
    }
}
