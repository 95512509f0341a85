// Command vault serves the core of HashiCorp Vault with the transit engine and the Kubernetes auth method: initialized, unsealed
// and in memory. The server of its own command line has every plug-in there is, which takes the longest to build.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

var factories = map[string]logical.Factory{"transit": transit.Factory, "kubernetes": kubernetes.Factory}

// builtins tells the core which plug-ins this program holds.
type builtins struct{}

func (builtins) Contains(name string, _ consts.PluginType) bool {
	_, found := factories[name]
	return found
}

func (builtins) Get(name string, _ consts.PluginType) (func() (interface{}, error), bool) {
	factory, found := factories[name]
	return func() (interface{}, error) { return factory, nil }, found
}

func (builtins) Keys(consts.PluginType) []string { return nil }

func (builtins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func serve(address, tokenFile string) error {
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, log)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		DisableMlock:       true,
		Logger:             log,
		BuiltinRegistry:    builtins{},
		LogicalBackends:    factories,
		CredentialBackends: factories,
	})
	if err != nil {
		return err
	}
	shares := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: shares})
	if err != nil {
		return err
	}
	if _, err := core.Unseal(made.SecretShares[0]); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if err := os.WriteFile(tokenFile, []byte(made.RootToken), 0o600); err != nil {
		return err
	}
	properties := &vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}}
	return http.Serve(listener, vaulthttp.Handler.Handler(properties))
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: vault <address> <file for the root token>")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
