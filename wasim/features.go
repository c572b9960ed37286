package wasim

import (
	"go.mau.fi/whatsmeow/proto/waE2E"
)

// features is the state of a server that only the features use.
type features struct {
	groups *groupTable
	media  *mediaStore
}

func newFeatures(s *Server) *features {
	f := &features{groups: newGroupTable(), media: newMediaStore()}
	f.media.routes(s.mux)
	return f
}

// accountFeatures is the state of an account that only the features use.
type accountFeatures struct {
	appState *appState
	profile  *profile
	presence *presence
	calls    *callLog
}

func newAccountFeatures(a *account) accountFeatures {
	return accountFeatures{appState: newAppState(a), profile: newProfile(), presence: newPresence(), calls: &callLog{}}
}

// featureHandlers registers the features' handlers.
func featureHandlers(r *router) {
	r.iq["w:g2"] = handleGroupIQ
	r.iq["w:m"] = handleMediaConn
	r.iq["w:sync:app:state"] = handleAppStateIQ
	registerProfile(r)

	r.stanza["call"] = handleCall
	r.stanza["presence"] = handlePresence
	r.stanza["chatstate"] = handleChatState
	r.receipt["server-error"] = handleMediaRetry

	r.phone["call"] = (*Phone).receiveCall
	r.phone["chatstate"] = (*Phone).receiveChatState
	r.peer[waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST] = (*Phone).answerKeyRequest
	r.peer[waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_MESSAGE] = (*Phone).answerDataRequest

	r.linking = append(r.linking, startAppState)
	r.linked = append(r.linked, (*Phone).shareAppStateKey, (*Phone).sendInitialHistory)
	r.offlines = append(r.offlines, presenceOffline)
}
