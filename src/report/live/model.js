// The data of the page (src/report/live/data.rs) as objects.

function readModels(data) {
  const size = ([index, why, infeasible, origin, job]) => {
    const [provider, name, gpu, device, vcpus, fractional, prices] = data.sizes[index];
    return {
      provider, name, gpu: gpu === 1, device: data.words[device], vcpus,
      fractional: fractional === 1, why: data.words[why], infeasible: infeasible === 1,
      origin: data.words[origin], job: job && readJob(job),
      prices: prices.map(([kind, region, usd]) => [data.words[kind], data.words[region], usd]),
    };
  };
  return data.workloads.map((workload) => ({
    ...workload,
    day: workload.day.map(([hours, share]) => ({ hours, share })),
    sizes: workload.sizes.map(size),
  }));
}

// Terms that a size lacks are left out at the end; 0 stands for those of the latency.
function readJob([serial, io, host, atOnce, overlap, latency, device, linkIn, linkOut, deviation]) {
  return {
    serial, io: io.length === 1 ? [io[0], io[0], io[0]] : io, host, atOnce,
    overlap: overlap === 1, latency, device: device === 0 ? latency : device,
    linkIn: linkIn ?? [], linkOut: linkOut ?? [], deviation: deviation ?? [],
  };
}
