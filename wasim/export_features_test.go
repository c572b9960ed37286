package wasim

import waappstate "go.mau.fi/whatsmeow/appstate"

// ChangeQuietly changes the app state of p without telling its companions, as if the notification were on its way.
func ChangeQuietly(p *Phone, patch waappstate.PatchInfo) error {
	st := p.account.appState
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.applyOwn(patch)
}
