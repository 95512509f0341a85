import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * The process at the other end of a loopback connection: the one that has a socket with `clientPort` as its own port and
 * `serverPort` as its peer's. Undefined where it has ended meanwhile. Linux only, as LocalStack's functions are.
 */
export function ownerOfConnection(clientPort: number, serverPort: number): number | undefined {
  const inode = inodeOf(clientPort, serverPort);
  if (inode === undefined) return undefined;
  for (const name of readdirSync("/proc")) {
    if (/^\d+$/.test(name) && holds(name, `socket:[${inode}]`)) return Number(name);
  }
  return undefined;
}

/** proc_pid_net(5): local address, remote address and inode are the second, third and tenth column; ports are hexadecimal. */
function inodeOf(clientPort: number, serverPort: number): string | undefined {
  const port = (address: string | undefined) => Number.parseInt(address?.split(":")[1] ?? "", 16);
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readFileSync(table, "utf8").split("\n").slice(1)) {
      const columns = line.trim().split(/\s+/);
      const inode = columns[9];
      if (port(columns[1]) === clientPort && port(columns[2]) === serverPort && inode !== "0") return inode;
    }
  }
  return undefined;
}

function holds(pid: string, target: string): boolean {
  try {
    const directory = `/proc/${pid}/fd`;
    return readdirSync(directory).some((fd) => linkOf(`${directory}/${fd}`) === target);
  } catch {
    // It has ended, or is another user's.
    return false;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
