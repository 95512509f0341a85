// Runs before npm start and npm test, on whatever Node the machine has and without node_modules: plain JavaScript, node: imports only.
// Arguments name the programs that the script after it needs: git, go, python3.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

const programs = {
  git: {
    args: ["--version"],
    name: "Git",
    why: "repositories are served and read by it",
    from: "https://git-scm.com/downloads",
  },
  go: {
    args: ["version"],
    name: "Go 1.21 or newer",
    why: "the control plane is built with it",
    from: "https://go.dev/dl",
  },
  python3: {
    args: ["--version"],
    name: "Python 3.10 or newer",
    why: "LocalStack runs on it",
    from: "https://www.python.org/downloads",
  },
};

/** The oldest versions that work, as [major, minor]. Go fetches its own newer toolchain from 1.21 on. */
const oldest = { git: [2, 28], go: [1, 21], python3: [3, 10] };

function fail(sentence) {
  console.error(`sluice: ${sentence}`);
  process.exit(1);
}

function requireNode() {
  const major = Number.parseInt(process.versions.node, 10);
  if (major < 20)
    fail(`Node 20 or newer is needed to begin with, and this is ${process.version}. Get it from https://nodejs.org.`);
}

function requireProgram(program) {
  const { args, name, why, from } = programs[program];
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", cwd: root });
  if (status !== 0) fail(`${name} is missing: ${why}. Get it from ${from}.`);
  const version = /(\d+)\.(\d+)/.exec(stdout);
  const [major, minor] = oldest[program];
  if (version === null) return;
  const [foundMajor, foundMinor] = [Number(version[1]), Number(version[2])];
  if (foundMajor < major || (foundMajor === major && foundMinor < minor)) {
    fail(`${name} is needed, and ${program} here is ${version[0]}: ${why}. Get it from ${from}.`);
  }
}

/** Why node_modules is not what package-lock.json says, or undefined. Packages for other platforms are rightly absent. */
function staleness() {
  const installedPath = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedPath)) return "the packages are not installed yet";
  if (!existsSync(join(root, "node_modules", ".bin", "node"))) return "Node 24 is not among the installed packages";
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedPath, "utf8")).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const found = installed[path];
    if (found === undefined && entry.optional) continue;
    if (found?.version !== entry.version)
      return `${path.replace(/^.*node_modules\//, "")} is not installed at ${entry.version}`;
  }
  return undefined;
}

function installPackages() {
  const reason = staleness();
  if (reason === undefined) return;
  console.error(`sluice: ${reason}: running npm ci, which takes up to a minute`);
  // npm ci removes node_modules first, so it must not run on the Node that is in there.
  const path = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((entry) => !entry.replace(/\/+$/, "").endsWith("node_modules/.bin"));
  const { status } = spawnSync("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: path.join(delimiter), npm_config_ignore_scripts: "false" },
  });
  if (status !== 0) fail("npm ci failed; what it printed above says why.");
  const left = staleness();
  if (left !== undefined) fail(`npm ci ran, but ${left}.`);
}

requireNode();
for (const program of process.argv.slice(2)) requireProgram(program);
installPackages();
